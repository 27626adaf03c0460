CREATE TABLE "a;b" ("c--d" TEXT, `e``f` TEXT, [g'h] TEXT);
INSERT INTO "a;b" VALUES (';', '--', '/*');
CREATE VIEW [end] AS SELECT "c--d" AS "begin" FROM "a;b";
