INSERT INTO plans VALUES (1, 'free'), (2, 'pro');
INSERT INTO accounts VALUES (1, 2), (2, 2), (3, 1);
