INSERT INTO users VALUES (1, 'old'), (2, 'old');
INSERT INTO posts VALUES (1, 1), (2, 1), (3, 2);
