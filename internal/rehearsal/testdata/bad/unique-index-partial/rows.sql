INSERT INTO addresses VALUES (1, 1, 1), (2, 1, 0), (3, 1, 1), (4, 2, 1);
