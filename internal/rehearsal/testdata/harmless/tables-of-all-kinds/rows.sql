INSERT INTO keyless VALUES ('a'), ('a'), (NULL);
INSERT INTO pairs VALUES ('a', 1, 'x'), ('B', 1, 'y'), ('a', 2.5, 'z');
INSERT INTO texts VALUES ('a', '1'), ('B', '2'), (NULL, '3'), (NULL, '4'), ('', '5');
INSERT INTO made(w) VALUES (2), (3);
INSERT INTO counted(v) VALUES ('a'), ('b'), ('c');
DELETE FROM counted WHERE id = 3;
INSERT INTO found VALUES ('one two'), ('two three');
INSERT INTO place VALUES (1, 0, 1), (2, 5, 6);
