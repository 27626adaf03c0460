INSERT INTO t(a) VALUES ('{"k;": "v;", "q": "it''s; \\"}');
UPDATE t SET a = json_set(a, '$.n', 1) WHERE json_valid(a);
