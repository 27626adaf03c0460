CREATE TABLE log (text TEXT);
CREATE TRIGGER items_log AFTER UPDATE ON items BEGIN
  INSERT INTO log VALUES (CASE WHEN new.price > old.price THEN 'up' ELSE CASE new.price WHEN old.price THEN 'same' ELSE 'down' END END);
  UPDATE items SET note = CASE WHEN note IS NULL THEN 'x' ELSE note END WHERE id = new.id AND note IS NULL;
END;
CREATE TABLE log2 (text TEXT, b INTEGER);
