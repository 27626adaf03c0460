INSERT INTO "User"("email") VALUES ('a'), ('b');
INSERT INTO "Post"("title") VALUES ('x'), ('y');
