CREATE INDEX items_sku ON items(sku COLLATE NOCASE);
CREATE INDEX items_priced ON items(price DESC) WHERE price IS NOT NULL;
CREATE INDEX items_lower ON items(lower(sku), price);
CREATE INDEX IF NOT EXISTS items_note ON items(substr(note, 1, 10));
