INSERT INTO teams VALUES (1, 'red'), (2, 'blue');
INSERT INTO members VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
