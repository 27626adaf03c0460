REPLACE INTO items(id, sku, price) VALUES (1, 'A-1', 101);
INSERT OR REPLACE INTO items(id, sku) VALUES (9, 'Z-9');
