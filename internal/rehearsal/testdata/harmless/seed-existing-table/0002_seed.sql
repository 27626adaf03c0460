INSERT INTO items(sku, price) VALUES ('C-1', 5);
INSERT INTO items(sku, price) VALUES ('C-2', 6), ('C-3', 7);
