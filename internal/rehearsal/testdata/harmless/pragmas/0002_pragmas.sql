PRAGMA foreign_key_check;
PRAGMA quick_check;
PRAGMA table_info(orders);
PRAGMA foreign_key_list('orders');
PRAGMA defer_foreign_keys = ON;
INSERT INTO orders(id, customer_id) VALUES (50, 70);
INSERT INTO customers VALUES (70, 'later');
