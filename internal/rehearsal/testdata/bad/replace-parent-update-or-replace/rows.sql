INSERT INTO users VALUES (1, 'a@x'), (2, 'A@x');
INSERT INTO posts VALUES (1, 1), (2, 2);
