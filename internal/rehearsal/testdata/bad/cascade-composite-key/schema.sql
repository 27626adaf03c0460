CREATE TABLE regions (country TEXT, code TEXT, name TEXT, PRIMARY KEY (country, code));
CREATE TABLE towns (id INTEGER PRIMARY KEY, country TEXT, region TEXT, FOREIGN KEY (country, region) REFERENCES regions(country, code) ON DELETE CASCADE);
