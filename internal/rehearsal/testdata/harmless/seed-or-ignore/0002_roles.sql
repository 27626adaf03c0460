INSERT OR IGNORE INTO roles(name) VALUES ('admin'), ('editor'), ('viewer');
