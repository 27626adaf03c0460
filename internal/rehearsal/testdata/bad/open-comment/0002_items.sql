CREATE INDEX items_sku ON items(sku);
/* the rest is for later
CREATE INDEX items_price ON items(price);
