PRAGMA legacy_alter_table = ON;
CREATE TABLE items_new (id INTEGER PRIMARY KEY, code TEXT, price INTEGER);
INSERT INTO items_new SELECT * FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
