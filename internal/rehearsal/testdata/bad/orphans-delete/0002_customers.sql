PRAGMA defer_foreign_keys = ON;
DELETE FROM customers WHERE id = 2;
PRAGMA defer_foreign_keys = OFF;
