INSERT INTO files(body) VALUES (zeroblob(9000000));
