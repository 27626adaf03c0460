-- d1-rewind:allow drop-table users moved to another service
DROP TABLE users;
