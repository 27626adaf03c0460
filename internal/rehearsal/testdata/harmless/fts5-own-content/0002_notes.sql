CREATE VIRTUAL TABLE notes USING fts5(text, tokenize='trigram');
INSERT INTO notes SELECT note FROM items WHERE note IS NOT NULL;
