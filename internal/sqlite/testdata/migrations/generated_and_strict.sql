CREATE TABLE x(a INTEGER NOT NULL, b TEXT AS (json_extract(c, '$.b')) STORED, c TEXT, k TEXT AS (CASE WHEN a > 0 THEN 'p;' ELSE 'n' END)) STRICT;
INSERT INTO x(a, c) VALUES (1, '{"b":"x"}'), (-1, '{}');
CREATE INDEX x_b ON x(b) WHERE b IS NOT NULL;
