PRAGMA defer_foreign_keys = ON;
DROP TABLE customers;
PRAGMA defer_foreign_keys = OFF;
