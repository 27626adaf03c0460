WITH unnamed AS (SELECT id FROM users WHERE name IS NULL) DELETE FROM users WHERE id IN unnamed;
