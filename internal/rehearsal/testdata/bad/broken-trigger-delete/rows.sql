INSERT INTO items VALUES (1, 'a');
INSERT INTO trash VALUES (7, 'z');
