CREATE TABLE projects_new (id TEXT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO projects_new SELECT id, name FROM projects;
DROP TABLE projects;
ALTER TABLE projects_new RENAME TO projects;
