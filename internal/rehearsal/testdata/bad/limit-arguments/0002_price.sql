UPDATE items SET price = max(0{{, 1*32}}) WHERE id = 1;
