/*
  Warnings:

  - Made the column `note` on table `items` required. This step will fail if there are existing NULL values in that column.

*/
-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_items" (
    "id" INTEGER NOT NULL PRIMARY KEY,
    "sku" TEXT,
    "price" INTEGER,
    "note" TEXT NOT NULL DEFAULT ''
);
INSERT INTO "new_items" ("id", "note", "price", "sku") SELECT "id", coalesce("note", '') AS "note", "price", "sku" FROM "items";
DROP TABLE "items";
ALTER TABLE "new_items" RENAME TO "items";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
