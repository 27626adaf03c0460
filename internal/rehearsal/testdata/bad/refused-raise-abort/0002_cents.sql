ALTER TABLE ledger_lines ADD COLUMN cents INTEGER;
UPDATE ledger_lines SET cents = amount * 100;
