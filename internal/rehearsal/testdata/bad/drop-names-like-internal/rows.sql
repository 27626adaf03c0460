INSERT INTO sqlitestats VALUES (1, 'a');
INSERT INTO cf_kv VALUES (1, 'a');
INSERT INTO xcf_y VALUES (1, 'a');
