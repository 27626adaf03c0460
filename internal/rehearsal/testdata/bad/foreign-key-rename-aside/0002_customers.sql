PRAGMA defer_foreign_keys = ON;
ALTER TABLE customers RENAME TO customers_old;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, vat TEXT);
INSERT INTO customers(id, name) SELECT id, name FROM customers_old;
DROP TABLE customers_old;
