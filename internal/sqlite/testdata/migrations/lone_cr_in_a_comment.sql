-- cCREATE TABLE hidden(a);
CREATE TABLE x(a);
