PRAGMA defer_foreign_keys = ON;
INSERT INTO c VALUES (9, 99);
