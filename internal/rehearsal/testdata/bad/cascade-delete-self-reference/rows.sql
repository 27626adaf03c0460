INSERT INTO folders VALUES (1, NULL, 'root'), (2, 1, 'tmp'), (3, 2, 'kept'), (4, 3, 'deep');
