ALTER TABLE customers ADD COLUMN orders INTEGER NOT NULL DEFAULT 0;
UPDATE customers SET orders = t.n FROM (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) AS t WHERE t.customer_id = customers.id;
