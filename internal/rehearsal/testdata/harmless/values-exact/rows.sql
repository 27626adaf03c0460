INSERT INTO kept VALUES (1, 9007199254740993), (2, -9223372036854775808), (3, 1e300), (4, 9e999), (5, 0.1), (6, -0.0),
  (7, 'a' || char(10) || 'b\nc' || char(13)), (8, x'00ff27'), (9, ''), (10, x''), (11, '1'), (12, 1.0), (13, 'it''s "🍎" ; --'),
  (14, CAST(x'61ff62' AS TEXT)), (15, NULL), (16, 'a' || char(0) || 'b');
INSERT INTO kept SELECT 17, replace(hex(zeroblob(60000)), '00', 'xy');
