INSERT OR ROLLBACK INTO items(id, sku) VALUES (1, 'again');
