CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO items(sku) VALUES ('c');
CREATE INDEX items_sku ON items(sku);
