-- The accounts live in another service now.
-- d1-rewind:allow cascade-delete posts were moved with their users
-- d1-rewind:allow drop-table no Worker reads it since version 12
DROP TABLE users;
-- d1-rewind:allow drop-table no Worker reads it since version 12
DROP TABLE posts;
