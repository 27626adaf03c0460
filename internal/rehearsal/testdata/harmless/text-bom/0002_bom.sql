CREATE TRIGGER items_named AFTER INSERT ON items BEGIN
  UPDATE items SET note = 'new' WHERE id = new.id;
END;
