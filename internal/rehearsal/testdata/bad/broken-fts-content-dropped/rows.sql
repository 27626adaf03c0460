INSERT INTO posts(title) VALUES ('one'), ('two');
INSERT INTO posts_fts(posts_fts) VALUES ('rebuild');
