INSERT INTO items VALUES (1, 'a', 5), (2, 'b', 7);
INSERT INTO sessions VALUES (1, 'x');
