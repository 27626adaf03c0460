INSERT INTO items(price) VALUES (0);
