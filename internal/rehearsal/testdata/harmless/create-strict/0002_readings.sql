CREATE TABLE readings (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL DEFAULT (unixepoch()),
  value REAL NOT NULL,
  raw BLOB,
  extra ANY
) STRICT;
INSERT INTO readings(value) VALUES (1.5), (2);
