ALTER TABLE orders ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
UPDATE orders SET paid = 1 WHERE total > 15;
CREATE INDEX orders_customer ON orders(customer_id);
