CREATE TRIGGER items_touch AFTER UPDATE ON items BEGIN
  UPDATE items SET note = 'touched' WHERE id = new.id;
