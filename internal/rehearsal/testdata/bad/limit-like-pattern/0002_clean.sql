UPDATE items SET note = NULL WHERE note LIKE '%this pattern is longer than fifty bytes of the text%';
