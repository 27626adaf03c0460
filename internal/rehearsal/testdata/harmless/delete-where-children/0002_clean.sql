DELETE FROM posts WHERE user_id = (SELECT id FROM users WHERE name IS NULL);
