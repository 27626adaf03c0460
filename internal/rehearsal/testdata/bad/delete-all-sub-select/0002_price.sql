UPDATE items SET price = (SELECT max(price) FROM items WHERE price < 200);
