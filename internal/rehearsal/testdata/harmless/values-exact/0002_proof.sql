CREATE TABLE proof (id INTEGER PRIMARY KEY, same INTEGER NOT NULL CHECK (same));
INSERT INTO proof SELECT id, typeof(v) || ':' || hex(v) = CASE id
  WHEN 1 THEN 'integer:' || hex('9007199254740993') WHEN 2 THEN 'integer:' || hex('-9223372036854775808') WHEN 3 THEN 'real:' || hex('1.0e+300')
  WHEN 4 THEN 'real:' || hex('Inf') WHEN 5 THEN 'real:' || hex('0.1') WHEN 6 THEN 'real:' || hex('0.0') WHEN 7 THEN 'text:610A625C6E630D' WHEN 8 THEN 'blob:00FF27'
  WHEN 9 THEN 'text:' WHEN 10 THEN 'blob:' WHEN 11 THEN 'text:31' WHEN 12 THEN 'real:' || hex('1.0') WHEN 13 THEN 'text:' || hex('it''s "🍎" ; --')
  WHEN 14 THEN 'text:61FF62' WHEN 15 THEN 'null:' WHEN 16 THEN 'text:610062' ELSE 'text:' || hex(replace(hex(zeroblob(60000)), '00', 'xy')) END FROM kept;
