CREATE TABLE scratch AS SELECT id, price FROM items WHERE price IS NOT NULL;
UPDATE items SET price = (SELECT max(price) FROM scratch) WHERE price IS NULL;
DROP TABLE scratch;
