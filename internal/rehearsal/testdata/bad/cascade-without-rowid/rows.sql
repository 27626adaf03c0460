INSERT INTO tags VALUES ('go', 'blue'), ('sql', 'red');
INSERT INTO tagged VALUES (1, 'go'), (1, 'sql'), (2, 'sql');
