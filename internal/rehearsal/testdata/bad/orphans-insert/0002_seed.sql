PRAGMA defer_foreign_keys = ON;
INSERT INTO orders(customer_id, total) VALUES (42, 7);
PRAGMA defer_foreign_keys = OFF;
