CREATE TABLE totals (n INTEGER);
INSERT INTO totals SELECT sum(n) FROM counters;
