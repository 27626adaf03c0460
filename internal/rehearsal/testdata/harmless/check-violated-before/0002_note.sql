ALTER TABLE items ADD COLUMN note TEXT;
UPDATE items SET price = 8 WHERE id = 2;
