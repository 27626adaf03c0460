INSERT INTO orders(customer_id, total) SELECT (SELECT id FROM customers WHERE name = 'Nobody'), 5;
