CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT, item INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TRIGGER items_ai AFTER INSERT ON items BEGIN INSERT INTO audit(what, item) VALUES ('insert', new.id); END;
CREATE TRIGGER items_au AFTER UPDATE ON items BEGIN INSERT INTO audit(what, item) VALUES ('update', new.id); END;
CREATE TRIGGER items_ad AFTER DELETE ON items BEGIN INSERT INTO audit(what, item) VALUES ('delete', old.id); END;
INSERT INTO items(sku) VALUES ('T-1');
UPDATE items SET note = 'seen' WHERE sku = 'T-1';
DELETE FROM items WHERE sku = 'T-1';
