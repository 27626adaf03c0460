-- RedefineIndex
DROP INDEX "User_handle_key";
CREATE UNIQUE INDEX "User_handle_unique" ON "User"("handle");
