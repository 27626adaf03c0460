CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, city TEXT);
INSERT INTO users_new(id, email, name) SELECT id, email, name FROM users;
