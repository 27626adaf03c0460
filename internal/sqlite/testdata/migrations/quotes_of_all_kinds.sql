CREATE TABLE "a;b""c"([begin; date] TEXT, `end;``x` TEXT, "case" TEXT, 'q;' TEXT);
INSERT INTO "a;b""c" VALUES ('it''s; -- fine /* ', '\', "dq;", '$1; $$ $tag$');
