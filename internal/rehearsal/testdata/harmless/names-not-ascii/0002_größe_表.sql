ALTER TABLE "Größen" ADD COLUMN "Überschuß 🍎" TEXT DEFAULT 'für ''alle''';
CREATE TABLE [表 格] (id INTEGER PRIMARY KEY, "名""字" TEXT);
INSERT INTO [表 格]("名""字") VALUES ('日本');
CREATE INDEX `größen länge` ON "Größen"("Länge in m");
