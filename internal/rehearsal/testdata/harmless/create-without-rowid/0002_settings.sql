CREATE TABLE settings (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID, STRICT;
INSERT INTO settings VALUES ('app', 'theme', 'dark');
