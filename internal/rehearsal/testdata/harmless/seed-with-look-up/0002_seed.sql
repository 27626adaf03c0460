INSERT INTO posts(user_id, title) VALUES ((SELECT id FROM users WHERE email = 'grace@example.com'), 'looked up');
INSERT INTO posts(user_id, title) SELECT id, 'selected' FROM users WHERE email = 'mary@example.com';
