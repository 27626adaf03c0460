CREATE TABLE versions (id INTEGER PRIMARY KEY, version TEXT DEFAULT (sqlite_version()));
