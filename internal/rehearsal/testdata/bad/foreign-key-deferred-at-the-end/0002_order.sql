PRAGMA defer_foreign_keys = ON;
INSERT INTO orders(customer_id) VALUES (77);
UPDATE orders SET total = 5 WHERE customer_id = 77;
