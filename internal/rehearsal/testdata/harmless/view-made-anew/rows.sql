INSERT INTO items VALUES (1, 'a', 5), (2, 'b', 500);
