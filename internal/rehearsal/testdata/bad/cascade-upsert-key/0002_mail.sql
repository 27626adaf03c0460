INSERT INTO users(id, email) VALUES (1, 'a@y') ON CONFLICT (id) DO UPDATE SET email = excluded.email;
