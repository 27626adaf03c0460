INSERT INTO roles(name) VALUES ('editor'), ('admin');
