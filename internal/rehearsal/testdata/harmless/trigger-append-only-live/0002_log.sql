INSERT INTO log(text) VALUES ('third');
CREATE INDEX log_text ON log(text);
ALTER TABLE log ADD COLUMN kind TEXT;
