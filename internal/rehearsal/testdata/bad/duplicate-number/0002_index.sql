CREATE INDEX items_sku ON items(sku);
