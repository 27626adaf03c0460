-- How many notes there are, kept by triggers: D1 bills count(*) by the rows that it reads.
CREATE TABLE totals (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  notes INTEGER NOT NULL
);
INSERT INTO totals (id, notes) SELECT 1, count(*) FROM notes;

CREATE TRIGGER notes_added AFTER INSERT ON notes BEGIN
  UPDATE totals SET notes = notes + 1;
END;

CREATE TRIGGER notes_removed AFTER DELETE ON notes BEGIN
  UPDATE totals SET notes = notes - 1;
END;
