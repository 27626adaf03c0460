CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, updated_at TEXT);
