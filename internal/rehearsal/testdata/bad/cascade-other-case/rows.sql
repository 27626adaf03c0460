INSERT INTO users VALUES (1, 'a');
INSERT INTO posts VALUES (1, 1), (2, 1);
