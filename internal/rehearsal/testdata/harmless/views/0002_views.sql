CREATE VIEW order_totals AS
  SELECT c.id, c.name, sum(o.total) AS total, rank() OVER (ORDER BY sum(o.total) DESC) AS place
  FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id;
CREATE VIEW big_totals(id, total) AS SELECT id, total FROM order_totals WHERE total > 20;
