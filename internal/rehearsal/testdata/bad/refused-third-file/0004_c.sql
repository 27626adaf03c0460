-- a comment first

INSERT INTO b
  VALUES (1);
