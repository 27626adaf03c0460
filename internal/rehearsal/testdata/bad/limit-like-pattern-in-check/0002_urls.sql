CREATE TABLE urls (url TEXT CHECK (url GLOB 'https://[a-z0-9]*.example.com/[a-z0-9]*/[a-z0-9]*/*'));
