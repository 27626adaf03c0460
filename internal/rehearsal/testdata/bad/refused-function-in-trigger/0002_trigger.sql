CREATE TRIGGER items_uuid AFTER INSERT ON items BEGIN
  UPDATE items SET note = unistr('\0041') WHERE id = new.id;
END;
