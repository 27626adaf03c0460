INSERT INTO items VALUES (1, 'A-1', 100, 'first'), (2, 'A-2', 250, NULL), (3, 'A-3', NULL, 'third'), (4, 'B-1', 75, NULL);
