CREATE TABLE items_copy AS SELECT * FROM items;
DELETE FROM items;
INSERT INTO items SELECT * FROM items_copy;
DROP TABLE items_copy;
