CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, note TEXT);
CREATE INDEX items_sku ON items(sku);
