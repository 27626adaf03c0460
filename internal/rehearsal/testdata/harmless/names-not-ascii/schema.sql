CREATE TABLE "Größen" ("Nr." INTEGER PRIMARY KEY, "Länge in m" REAL);
