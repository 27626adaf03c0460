INSERT INTO "we""ird; DROP" VALUES (1, 'a'), (2, 'b');
INSERT INTO "it's" VALUES (1, 1), (2, 2), (3, NULL);
INSERT INTO "select" VALUES (1, 1);
INSERT INTO "größe" VALUES (1, 2);
