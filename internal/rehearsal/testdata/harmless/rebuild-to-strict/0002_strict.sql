CREATE TABLE readings_new (id INTEGER PRIMARY KEY, value INTEGER) STRICT;
INSERT INTO readings_new SELECT id, CASE typeof(value) WHEN 'integer' THEN value END FROM readings;
DROP TABLE readings;
ALTER TABLE readings_new RENAME TO readings;
