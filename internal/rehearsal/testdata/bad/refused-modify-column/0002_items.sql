CREATE INDEX items_price ON items(price);
ALTER TABLE items MODIFY COLUMN price REAL;
