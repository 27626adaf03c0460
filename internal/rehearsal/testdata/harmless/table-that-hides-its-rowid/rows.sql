INSERT INTO shadowed VALUES ('x', 'y', 'z'), ('x', 'y', 'z'), (NULL, NULL, NULL);
