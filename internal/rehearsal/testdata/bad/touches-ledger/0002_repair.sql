INSERT INTO d1_migrations(name) VALUES ('0009_hotfix.sql');
