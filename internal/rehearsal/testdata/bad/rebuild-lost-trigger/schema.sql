CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, updated_at INTEGER);
CREATE TRIGGER items_touch AFTER UPDATE OF sku ON items BEGIN
  UPDATE items SET updated_at = unixepoch() WHERE id = new.id;
END;
