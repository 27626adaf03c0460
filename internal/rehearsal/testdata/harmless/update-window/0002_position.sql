ALTER TABLE orders ADD COLUMN position INTEGER;
WITH numbered AS (SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY total) AS n FROM orders)
UPDATE orders SET position = (SELECT n FROM numbered WHERE numbered.id = orders.id);
