-- a comment; with a semicolon, an 'apostrophe and a /* that opens nothing
/* DROP TABLE items; -- not run
   BEGIN TRANSACTION */
CREATE TABLE /* here */ notes ( -- and here;
  id INTEGER PRIMARY KEY, -- it's the key
  text TEXT DEFAULT '-- not a comment; /* nor this */' /* last */
); -- behind
/**/
INSERT INTO notes(text) VALUES ('a;b'), ('it''s'), ("double");
;
-- the end; without a newline
