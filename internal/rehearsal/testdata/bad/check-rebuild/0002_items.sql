CREATE TABLE items_new (id INTEGER PRIMARY KEY, sku TEXT CHECK (sku LIKE 'A-%'), price INTEGER, note TEXT);
INSERT INTO items_new SELECT * FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
