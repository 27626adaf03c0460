INSERT INTO regions VALUES ('de', 'by', 'Bayern'), ('de', 'he', 'Hessen');
INSERT INTO towns VALUES (1, 'de', 'by'), (2, 'de', 'he'), (3, 'de', NULL);
