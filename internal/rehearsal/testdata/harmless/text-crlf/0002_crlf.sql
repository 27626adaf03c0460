-- written on Windows
CREATE TABLE lines (id INTEGER PRIMARY KEY, text TEXT);
CREATE TRIGGER lines_check BEFORE INSERT ON lines
BEGIN
  SELECT CASE WHEN new.text IS NULL THEN RAISE(ABORT, 'no text') END;
END;
INSERT INTO lines(text) VALUES ('one');
