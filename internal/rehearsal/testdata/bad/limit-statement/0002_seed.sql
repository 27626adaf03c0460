INSERT INTO items(sku) VALUES ('C-1');
INSERT INTO items(sku) VALUES ('C-2'){{, ('a value among very many others')*3200}};
