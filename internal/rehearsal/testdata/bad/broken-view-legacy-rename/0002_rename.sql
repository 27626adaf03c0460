PRAGMA legacy_alter_table = ON;
ALTER TABLE items RENAME TO products;
