INSERT INTO posts(title) VALUES ('one'), ('two');
