INSERT INTO users VALUES (1, 'a'), (2, 'b');
INSERT INTO posts VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO comments VALUES (1, 1, 'x'), (2, 3, 'y');
