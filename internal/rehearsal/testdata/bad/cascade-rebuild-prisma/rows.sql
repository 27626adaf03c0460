INSERT INTO "User"("email") VALUES ('a'), ('b');
INSERT INTO "Post"("authorId") VALUES (1), (1), (2);
