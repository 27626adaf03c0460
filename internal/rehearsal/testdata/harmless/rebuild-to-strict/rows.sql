INSERT INTO readings VALUES (1, 5), (2, 'n/a'), (3, 7);
