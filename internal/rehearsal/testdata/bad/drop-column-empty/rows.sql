INSERT INTO items(sku) VALUES ('a'), ('b');
