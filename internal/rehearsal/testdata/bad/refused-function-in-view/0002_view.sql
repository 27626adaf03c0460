CREATE VIEW priced AS SELECT id, ceiling(price / 100.0) AS euros FROM items;
