INSERT INTO "A" VALUES (1, 'x'), (2, 'y');
INSERT INTO "B" VALUES (1, 'x');
