-- d1-rewind:allow drop-table
DROP TABLE items;
