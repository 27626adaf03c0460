UPDATE items SET price = 0 WHERE price IS NULL;
SAVEPOINT half;
RELEASE half;
