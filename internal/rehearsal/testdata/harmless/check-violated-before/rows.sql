PRAGMA ignore_check_constraints = ON;
INSERT INTO items VALUES (1, -5), (2, 7);
PRAGMA ignore_check_constraints = OFF;
