-- AlterTable
ALTER TABLE "items" ADD COLUMN "archived" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "items" ADD COLUMN "archivedAt" DATETIME;
