DROP TABLE posts_fts;
