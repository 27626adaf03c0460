WITH wanted(sku, price) AS (VALUES ('A-1', 100), ('N-1', 5))
INSERT INTO items(sku, price) SELECT sku, price FROM wanted WHERE sku NOT IN (SELECT sku FROM items WHERE sku IS NOT NULL) RETURNING id, sku;
