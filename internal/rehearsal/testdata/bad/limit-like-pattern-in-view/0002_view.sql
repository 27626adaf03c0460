CREATE VIEW odd AS SELECT * FROM items WHERE note LIKE '%this pattern is longer than fifty bytes of the text%';
