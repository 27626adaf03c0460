DELETE FROM users;
INSERT INTO users VALUES (1, 'ada@example.com', 'Ada');
