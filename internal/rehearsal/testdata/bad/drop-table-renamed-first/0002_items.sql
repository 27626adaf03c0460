ALTER TABLE items RENAME TO items_old;
