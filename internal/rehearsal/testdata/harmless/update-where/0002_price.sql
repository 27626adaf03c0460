UPDATE items SET price = 0 WHERE price IS NULL;
UPDATE items SET note = upper(note) WHERE note IS NOT NULL AND sku GLOB 'A-*';
