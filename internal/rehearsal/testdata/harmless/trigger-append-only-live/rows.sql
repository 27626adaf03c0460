INSERT INTO log(text) VALUES ('first'), ('second');
