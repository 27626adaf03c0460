CREATE TABLE codes (id INTEGER PRIMARY KEY, code TEXT NOT NULL);
INSERT INTO codes(code) VALUES ('a'), ('b');
CREATE UNIQUE INDEX codes_code ON codes(code);
