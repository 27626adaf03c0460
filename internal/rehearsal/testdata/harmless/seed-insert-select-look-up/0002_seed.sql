INSERT INTO posts(user_id, title)
SELECT (SELECT id FROM users WHERE email = 'mary@example.com'), 'one'
UNION ALL SELECT (SELECT id FROM users WHERE email = 'grace@example.com'), 'two';
