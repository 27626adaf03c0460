CREATE TABLE countries (code TEXT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO countries VALUES ('de', 'Deutschland'), ('fr', 'France'), ('ie', 'Éire');
