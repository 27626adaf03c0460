PRAGMA defer_foreign_keys=TRUE;
CREATE TABLE child(id INTEGER PRIMARY KEY, pid REFERENCES parent(id));
CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
INSERT INTO "parent" ("id","v") VALUES(7,replace('a\nb','\n',char(10)));
INSERT INTO "child" ("id","pid") VALUES(1,7);
DELETE FROM sqlite_sequence;
INSERT INTO "sqlite_sequence" ("name","seq") VALUES('parent',7);
