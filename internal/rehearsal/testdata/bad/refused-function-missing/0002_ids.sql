ALTER TABLE items ADD COLUMN uuid TEXT;
UPDATE items SET uuid = uuid();
