INSERT INTO "Größen" VALUES (1, 1.5), (2, 2.5);
