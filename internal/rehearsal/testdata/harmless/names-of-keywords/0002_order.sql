ALTER TABLE "order" ADD COLUMN "where" TEXT;
CREATE INDEX "index" ON "order"("group", "select");
CREATE VIEW "table" AS SELECT "group", count(*) AS "count" FROM "order" GROUP BY "group";
UPDATE "order" SET "where" = 'here' WHERE "select" = 2;
