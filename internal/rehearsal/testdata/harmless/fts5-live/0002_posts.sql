INSERT INTO posts(title) VALUES ('three'), ('four');
ALTER TABLE posts ADD COLUMN slug TEXT;
INSERT INTO posts_fts(posts_fts) VALUES ('optimize');
