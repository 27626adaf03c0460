CREATE TABLE items_new (id INTEGER PRIMARY KEY, sku TEXT, price INTEGER, note TEXT, colour TEXT);
INSERT INTO items_new SELECT * FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
