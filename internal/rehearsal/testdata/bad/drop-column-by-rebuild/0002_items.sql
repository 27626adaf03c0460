CREATE TABLE items_new (id INTEGER PRIMARY KEY, sku TEXT, price INTEGER);
INSERT INTO items_new SELECT id, sku, price FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
