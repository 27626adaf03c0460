INSERT INTO tickets(text) VALUES ('a'), ('b'), ('c');
DELETE FROM tickets WHERE text = 'c';
