CREATE UNIQUE INDEX items_sku ON items(sku) WHERE sku IS NOT NULL;
