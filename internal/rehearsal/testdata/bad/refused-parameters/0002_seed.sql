INSERT INTO items(sku, price) VALUES (?, ?);
