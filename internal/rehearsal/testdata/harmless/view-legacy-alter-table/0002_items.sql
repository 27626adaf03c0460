PRAGMA legacy_alter_table = ON;
CREATE TABLE items_new (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, price INTEGER);
INSERT INTO items_new SELECT * FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
PRAGMA legacy_alter_table = OFF;
