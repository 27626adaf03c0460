CREATE TABLE offers (price INTEGER, euros AS (ceiling(price / 100.0)));
