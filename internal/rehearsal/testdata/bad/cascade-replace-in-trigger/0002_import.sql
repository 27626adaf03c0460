INSERT INTO imports VALUES (1, 'A'), (2, 'B');
