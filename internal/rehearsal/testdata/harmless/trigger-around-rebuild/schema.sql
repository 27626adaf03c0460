CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, touched INTEGER DEFAULT 0);
CREATE INDEX items_sku ON items(sku);
CREATE TRIGGER items_touch AFTER UPDATE OF sku ON items BEGIN UPDATE items SET touched = touched + 1 WHERE id = new.id; END;
