PRAGMA defer_foreign_keys = ON;
CREATE TABLE n(id INTEGER PRIMARY KEY, v TEXT, x);
INSERT INTO n SELECT id, v, 1 FROM p;
DROP TABLE p;
ALTER TABLE n RENAME TO p;
PRAGMA defer_foreign_keys = OFF;
