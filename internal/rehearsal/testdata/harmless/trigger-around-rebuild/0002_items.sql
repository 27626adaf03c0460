CREATE TABLE items_new (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, touched INTEGER NOT NULL DEFAULT 0);
INSERT INTO items_new SELECT * FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;
CREATE INDEX items_sku ON items(sku);
CREATE TRIGGER items_touch AFTER UPDATE OF sku ON items BEGIN UPDATE items SET touched = touched + 1 WHERE id = new.id; END;
