CREATE INDEX items_sku ON items(sku);
CREATE INDEX items_price ON items(price)