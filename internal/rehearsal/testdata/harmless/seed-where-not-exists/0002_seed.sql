INSERT INTO items(sku, price) SELECT 'B-1', 1 WHERE NOT EXISTS (SELECT 1 FROM items WHERE sku = 'B-1');
INSERT INTO items(sku, price) SELECT 'B-2', 1 WHERE NOT EXISTS (SELECT 1 FROM items WHERE sku = 'B-2');
