CREATE TABLE regions_new (country TEXT, code TEXT, name TEXT NOT NULL, PRIMARY KEY (country, code));
INSERT INTO regions_new SELECT * FROM regions;
DROP TABLE regions;
ALTER TABLE regions_new RENAME TO regions;
