CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, price INTEGER);
CREATE INDEX items_price ON items(price);
