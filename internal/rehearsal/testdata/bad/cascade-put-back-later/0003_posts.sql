INSERT INTO posts SELECT * FROM posts_backup;
DROP TABLE posts_backup;
