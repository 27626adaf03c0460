CREATE TABLE "User" ("id" INTEGER NOT NULL PRIMARY KEY, "handle" TEXT NOT NULL);
CREATE UNIQUE INDEX "User_handle_key" ON "User"("handle");
