DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
