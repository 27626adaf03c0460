ALTER TABLE items ADD COLUMN state TEXT CHECK (state IN ('new', 'used'));
ALTER TABLE items ADD COLUMN stock INTEGER NOT NULL DEFAULT 0 CHECK (stock >= 0);
