INSERT INTO roles VALUES (1, 'admin', NULL), (2, 'editor', NULL);
INSERT INTO grants VALUES (1, 1), (2, 2), (3, 2);
