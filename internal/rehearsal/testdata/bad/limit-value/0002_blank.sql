INSERT INTO files(body) VALUES (zeroblob(3000000));
