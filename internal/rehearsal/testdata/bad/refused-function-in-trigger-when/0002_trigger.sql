CREATE TRIGGER items_big BEFORE UPDATE ON items WHEN power(new.price, 2) > 10000 BEGIN
  SELECT RAISE(ABORT, 'too big');
END;
