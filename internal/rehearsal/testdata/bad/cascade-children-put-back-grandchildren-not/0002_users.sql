CREATE TABLE posts_backup AS SELECT * FROM posts;
CREATE TABLE users_new (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
INSERT INTO users_new(id, name) SELECT id, name FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
INSERT INTO posts SELECT * FROM posts_backup;
DROP TABLE posts_backup;
