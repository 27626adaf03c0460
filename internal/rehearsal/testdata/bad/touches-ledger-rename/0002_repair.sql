UPDATE d1_migrations SET name = '0001_init.sql' WHERE name = '0001_schema.sql';
