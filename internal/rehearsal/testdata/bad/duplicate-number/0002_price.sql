CREATE INDEX items_price ON items(price);
