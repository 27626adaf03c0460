CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO log(text) VALUES ('first');
CREATE TRIGGER log_no_update BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_no_delete BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
