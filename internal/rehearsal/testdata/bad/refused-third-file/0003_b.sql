INSERT INTO a VALUES (1), (2);
UPDATE items SET note = 'x' WHERE id = 1;
