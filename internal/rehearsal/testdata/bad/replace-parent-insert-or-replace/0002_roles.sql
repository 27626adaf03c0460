INSERT OR REPLACE INTO roles(name) VALUES ('admin'), ('editor'), ('viewer');
