CREATE VIRTUAL TABLE f USING fts5(a, content='t', content_rowid='id', tokenize='porter unicode61');
INSERT INTO f(rowid, a) SELECT id, a FROM t;
CREATE TRIGGER t_ai AFTER INSERT ON t BEGIN
  INSERT INTO f(rowid, a) VALUES (NEW.id, NEW.a);
END;
CREATE TRIGGER t_ad AFTER DELETE ON t BEGIN
  INSERT INTO f(f, rowid, a) VALUES ('delete', OLD.id, OLD.a);
END;
CREATE TRIGGER t_au AFTER UPDATE ON t BEGIN
  INSERT INTO f(f, rowid, a) VALUES ('delete', OLD.id, OLD.a);
  INSERT INTO f(rowid, a) VALUES (NEW.id, NEW.a);
END;
INSERT INTO t(a) VALUES ('running words');
UPDATE t SET a = 'other words' WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO e SELECT rowid FROM f('run');
