CREATE VIEW firsts AS SELECT coalesce(note{{, sku*32}}) AS v FROM items;
