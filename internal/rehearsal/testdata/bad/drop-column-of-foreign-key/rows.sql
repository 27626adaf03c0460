INSERT INTO teams VALUES (1);
INSERT INTO members VALUES (1, 1, 'a'), (2, 1, 'b');
