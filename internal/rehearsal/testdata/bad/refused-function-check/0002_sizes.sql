CREATE TABLE sizes (n INTEGER CHECK (n < power(2, 10)));
