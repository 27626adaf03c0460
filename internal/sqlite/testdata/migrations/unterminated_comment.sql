CREATE TABLE x(a);
/* to be continued; 