CREATE UNIQUE INDEX likes_once ON likes(user_id, post_id);
