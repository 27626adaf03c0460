SELECT count(*) FROM items;
EXPLAIN QUERY PLAN SELECT * FROM items WHERE sku = 'a';
