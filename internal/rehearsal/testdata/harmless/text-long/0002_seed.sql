INSERT INTO items(sku) VALUES ('C-2'){{, ('a value among very many others')*2000}};
