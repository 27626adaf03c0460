UPDATE users SET name = upper(name) WHERE name IS NOT NULL;
