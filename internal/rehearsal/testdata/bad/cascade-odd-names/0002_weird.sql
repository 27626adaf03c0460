CREATE TABLE "new ""one" ("the id" INTEGER PRIMARY KEY, v TEXT NOT NULL);
INSERT INTO "new ""one" SELECT * FROM "we""ird; DROP";
DROP TABLE "we""ird; DROP";
ALTER TABLE "new ""one" RENAME TO "we""ird; DROP";
