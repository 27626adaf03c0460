INSERT INTO "Post"("title") VALUES ('one'), ('two');
INSERT INTO "Tag"("name") VALUES ('x'), ('y');
INSERT INTO "_PostToTag" VALUES (1, 1), (1, 2), (2, 2);
