PRAGMA defer_foreign_keys = ON;
CREATE TABLE p_new (id INTEGER PRIMARY KEY, v TEXT NOT NULL);
INSERT INTO p_new SELECT * FROM p;
DROP TABLE p;
ALTER TABLE p_new RENAME TO p;
PRAGMA defer_foreign_keys = OFF;
