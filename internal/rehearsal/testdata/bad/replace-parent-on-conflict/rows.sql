INSERT INTO users VALUES (1, 'a@x');
INSERT INTO posts VALUES (1, 1), (2, 1);
