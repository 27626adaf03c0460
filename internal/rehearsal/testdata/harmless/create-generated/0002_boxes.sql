CREATE TABLE boxes (
  w INTEGER NOT NULL,
  h INTEGER NOT NULL,
  area INTEGER GENERATED ALWAYS AS (w * h) STORED,
  label TEXT AS (w || 'x' || h)
);
INSERT INTO boxes(w, h) VALUES (2, 3);
