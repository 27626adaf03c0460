-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_A" ("id" INTEGER NOT NULL PRIMARY KEY, "v" TEXT, "w" TEXT);
INSERT INTO "new_A" ("id", "v") SELECT "id", "v" FROM "A";
DROP TABLE "A";
ALTER TABLE "new_A" RENAME TO "A";
CREATE TABLE "new_B" ("id" INTEGER NOT NULL PRIMARY KEY, "v" TEXT, "w" TEXT);
INSERT INTO "new_B" ("id", "v") SELECT "id", "v" FROM "B";
DROP TABLE "B";
ALTER TABLE "new_B" RENAME TO "B";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
