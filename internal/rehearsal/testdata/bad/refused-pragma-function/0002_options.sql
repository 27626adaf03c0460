CREATE TABLE options (name TEXT);
INSERT INTO options SELECT compile_options FROM pragma_compile_options;
