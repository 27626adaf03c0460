INSERT INTO users VALUES (1, 'a');
INSERT INTO posts VALUES (1, 1), (2, 1);
INSERT INTO files VALUES (1, 1), (2, 2), (3, NULL);
