INSERT INTO boxes(w, h) VALUES (1, 2);
