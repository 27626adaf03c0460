INSERT INTO items(price) VALUES (99);
UPDATE items SET price = 1 WHERE price = 150;
CREATE TABLE tags (id INTEGER PRIMARY KEY);
