INSERT INTO counts(n) VALUES ('many');
