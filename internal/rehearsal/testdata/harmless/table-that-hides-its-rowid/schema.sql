CREATE TABLE shadowed (rowid TEXT, oid TEXT, _rowid_ TEXT);
CREATE TABLE proof (what TEXT PRIMARY KEY, same INTEGER NOT NULL CHECK (same));
