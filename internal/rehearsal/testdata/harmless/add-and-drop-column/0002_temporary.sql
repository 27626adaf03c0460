ALTER TABLE items ADD COLUMN scratch INTEGER;
UPDATE items SET scratch = id * 2;
UPDATE items SET price = scratch WHERE price IS NULL;
ALTER TABLE items DROP COLUMN scratch;
