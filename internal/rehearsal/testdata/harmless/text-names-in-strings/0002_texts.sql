CREATE TABLE "drop table items" (id INTEGER PRIMARY KEY, "delete from" TEXT DEFAULT 'PRAGMA foreign_keys=OFF');
INSERT INTO "drop table items"("delete from") VALUES ('DROP TABLE items; DELETE FROM items'), ('UPDATE items SET price = 0');
