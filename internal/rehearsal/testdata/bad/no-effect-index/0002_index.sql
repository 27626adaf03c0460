CREATE INDEX IF NOT EXISTS items_by ON items(price);
