INSERT INTO cities VALUES ('Ulm', 'UL'), ('Jena', 'J');
INSERT INTO shops(city) VALUES ('Ulm'), ('Jena'), ('Bonn');
