ALTER TABLE items ADD COLUMN created_at INTEGER DEFAULT (unixepoch());
