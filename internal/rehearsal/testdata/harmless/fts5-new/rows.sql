INSERT INTO posts(title, body) VALUES ('one', 'first text'), ('two', 'second text'), ('three', NULL);
