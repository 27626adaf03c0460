-- d1-rewind:allow droptable nobody reads it
DROP TABLE items;
