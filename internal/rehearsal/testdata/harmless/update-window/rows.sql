INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Mary');
INSERT INTO orders VALUES (1, 1, 10), (2, 2, 20), (3, 2, 30);
