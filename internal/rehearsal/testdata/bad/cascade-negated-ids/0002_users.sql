PRAGMA defer_foreign_keys = ON;
UPDATE posts SET user_id = -user_id WHERE title <> 'five';
CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
UPDATE posts SET user_id = -user_id WHERE user_id < 0;
PRAGMA defer_foreign_keys = OFF;
