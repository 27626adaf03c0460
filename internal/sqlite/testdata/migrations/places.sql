CREATE VIRTUAL TABLE r USING rtree(id, min_x, max_x, min_y, max_y);
INSERT INTO r VALUES (1, 0, 1, 0, 1), (2, 5, 6, 5, 6);
INSERT INTO e SELECT id FROM r WHERE min_x >= 5;
