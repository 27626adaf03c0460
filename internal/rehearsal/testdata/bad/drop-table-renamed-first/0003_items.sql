DROP TABLE items_old;
