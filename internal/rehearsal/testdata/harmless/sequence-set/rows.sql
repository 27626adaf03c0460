INSERT INTO tickets(text) VALUES ('a'), ('b');
