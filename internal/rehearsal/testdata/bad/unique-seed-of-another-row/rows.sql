INSERT INTO roles VALUES (1, 'admin'), (2, 'editor'), (3, 'viewer');
