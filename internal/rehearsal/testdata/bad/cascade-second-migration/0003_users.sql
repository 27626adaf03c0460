ALTER TABLE users ADD COLUMN city TEXT;
CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, city TEXT NOT NULL DEFAULT '');
INSERT INTO users_new(id, email, name) SELECT id, email, name FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
