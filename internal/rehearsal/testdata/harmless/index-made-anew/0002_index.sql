DROP INDEX items_price;
CREATE INDEX items_price ON items(price DESC, sku);
