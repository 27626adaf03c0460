PRAGMA defer_foreign_keys = ON;
CREATE TABLE customers_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, vat TEXT);
INSERT INTO customers_new(id, name) SELECT id, name FROM customers WHERE name <> 'Grace';
DROP TABLE customers;
ALTER TABLE customers_new RENAME TO customers;
PRAGMA defer_foreign_keys = OFF;
