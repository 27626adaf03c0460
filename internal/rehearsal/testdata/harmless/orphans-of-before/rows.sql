PRAGMA defer_foreign_keys = ON;
INSERT INTO customers VALUES (1, 'Ada');
INSERT INTO orders VALUES (1, 1, 10), (2, 77, 20);
PRAGMA defer_foreign_keys = OFF;
