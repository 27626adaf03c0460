DROP TABLE sqlitestats;
DROP TABLE cf_kv;
DROP TABLE xcf_y;
