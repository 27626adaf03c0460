CREATE TRIGGER items_first AFTER INSERT ON items BEGIN
  UPDATE items SET note = coalesce(new.note{{, new.sku*32}}) WHERE id = new.id;
END;
