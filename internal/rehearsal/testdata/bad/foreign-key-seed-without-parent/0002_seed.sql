INSERT INTO orders(customer_id, total) VALUES (1, 5);
INSERT INTO orders(customer_id, total) VALUES (42, 7);
