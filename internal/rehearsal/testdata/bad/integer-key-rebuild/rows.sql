INSERT INTO users VALUES ('1', 'a'), ('u-2', 'b');
