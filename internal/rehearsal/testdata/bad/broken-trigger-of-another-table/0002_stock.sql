PRAGMA legacy_alter_table = ON;
CREATE TABLE stock_new (code TEXT PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0);
INSERT INTO stock_new SELECT * FROM stock;
DROP TABLE stock;
ALTER TABLE stock_new RENAME TO stock;
