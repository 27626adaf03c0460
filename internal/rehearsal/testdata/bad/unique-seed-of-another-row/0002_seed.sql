INSERT INTO roles(id, name) VALUES (3, 'guest');
