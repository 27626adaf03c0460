PRAGMA defer_foreign_keys = ON;
CREATE TABLE customers_backup AS SELECT * FROM customers;
DROP TABLE customers;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, vat TEXT);
INSERT INTO customers(id, name) SELECT id, name FROM customers_backup;
DROP TABLE customers_backup;
