PRAGMA ignore_check_constraints = ON;
INSERT INTO items(price) VALUES (-1);
