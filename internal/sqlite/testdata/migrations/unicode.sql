CREATE TABLE 数据(列 TEXT, "naïve; café" TEXT);
INSERT INTO 数据(列) VALUES ('😀; ünï');
CREATE INDEX índice ON 数据(列);
