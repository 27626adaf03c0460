CREATE TABLE logins (id INTEGER PRIMARY KEY, email TEXT REFERENCES users(email));
INSERT INTO logins(email) VALUES ('a@x');
