UPDATE items SET price = log10(price) WHERE price > 0;
