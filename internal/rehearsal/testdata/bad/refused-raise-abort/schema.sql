CREATE TABLE ledger_lines (id INTEGER PRIMARY KEY, amount INTEGER);
CREATE TRIGGER ledger_lines_frozen BEFORE UPDATE ON ledger_lines BEGIN
  SELECT RAISE(ABORT, 'lines are frozen');
END;
