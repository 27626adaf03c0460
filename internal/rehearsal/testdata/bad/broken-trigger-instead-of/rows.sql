INSERT INTO items VALUES (1, 'a');
INSERT INTO wishes VALUES (1, 'b');
