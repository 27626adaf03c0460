CREATE TABLE tags_new (name TEXT PRIMARY KEY, colour TEXT NOT NULL DEFAULT 'grey') WITHOUT ROWID;
INSERT INTO tags_new SELECT name, colour FROM tags;
DROP TABLE tags;
ALTER TABLE tags_new RENAME TO tags;
