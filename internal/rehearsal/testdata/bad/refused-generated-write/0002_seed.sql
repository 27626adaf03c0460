INSERT INTO boxes(w, h, area) VALUES (2, 3, 6);
