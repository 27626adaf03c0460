PRAGMA defer_foreign_keys = ON;
CREATE TABLE categories_new (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES categories(id) ON DELETE CASCADE, name TEXT NOT NULL);
INSERT INTO categories_new SELECT id, parent_id, name FROM categories;
DROP TABLE categories;
ALTER TABLE categories_new RENAME TO categories;
PRAGMA defer_foreign_keys = OFF;
