INSERT INTO ledger_lines VALUES (1, 5), (2, 7);
