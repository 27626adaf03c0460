REPLACE INTO roles(id, name) VALUES (1, 'administrator');
