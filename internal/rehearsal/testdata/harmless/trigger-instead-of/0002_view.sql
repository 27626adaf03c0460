CREATE VIEW priced AS SELECT id, sku, price FROM items WHERE price IS NOT NULL;
CREATE TRIGGER priced_insert INSTEAD OF INSERT ON priced BEGIN
  INSERT INTO items(sku, price) VALUES (new.sku, new.price);
END;
INSERT INTO priced(sku, price) VALUES ('V-1', 5);
