INSERT INTO users VALUES (1, 'a'), (2, 'b');
INSERT INTO sessions VALUES (1, 1), (2, 2);
INSERT INTO invoices VALUES (1, 1, 100), (2, 1, 200);
