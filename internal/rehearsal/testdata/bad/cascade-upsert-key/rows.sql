INSERT INTO users VALUES (1, 'a@x');
INSERT INTO logins VALUES (1, 'a@x');
