DROP TRIGGER items_check;
CREATE TRIGGER items_check BEFORE INSERT ON items WHEN trim(coalesce(new.sku, '')) = '' BEGIN
  SELECT RAISE(ABORT, 'sku is empty');
END;
