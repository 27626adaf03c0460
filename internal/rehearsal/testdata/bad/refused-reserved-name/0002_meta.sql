CREATE TABLE sqlite_meta (k TEXT);
