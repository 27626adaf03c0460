INSERT INTO orders(customer_id, total) VALUES (2, 99);
INSERT INTO orders(customer_id, total) VALUES (3, 98), (1, 97);
