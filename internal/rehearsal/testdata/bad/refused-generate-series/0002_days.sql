CREATE TABLE days (n INTEGER);
INSERT INTO days SELECT value FROM generate_series(1, 31);
