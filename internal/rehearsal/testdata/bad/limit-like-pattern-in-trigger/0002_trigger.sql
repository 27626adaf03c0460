CREATE TRIGGER items_spam BEFORE INSERT ON items WHEN new.note LIKE '%buy now and save up to fifty percent on every thing%' BEGIN
  SELECT RAISE(IGNORE);
END;
