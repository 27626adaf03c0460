CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  sku TEXT,
  price INTEGER,
  note TEXT
);
