INSERT INTO items(price) VALUES (150), (250);
