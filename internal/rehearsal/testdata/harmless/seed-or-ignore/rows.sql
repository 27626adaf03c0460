INSERT INTO roles VALUES (1, 'admin'), (2, 'editor');
INSERT INTO grants VALUES (1, 1), (2, 2);
