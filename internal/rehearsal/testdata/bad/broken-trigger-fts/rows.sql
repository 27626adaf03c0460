INSERT INTO posts(title, body) VALUES ('one', 'text'), ('two', 'more text');
