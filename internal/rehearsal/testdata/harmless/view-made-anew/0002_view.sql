DROP VIEW IF EXISTS cheap;
CREATE VIEW cheap AS SELECT id, sku, price FROM items WHERE price < 50;
