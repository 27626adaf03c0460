ALTER TABLE items ADD COLUMN slug TEXT;
UPDATE items SET slug = lower(sku);
