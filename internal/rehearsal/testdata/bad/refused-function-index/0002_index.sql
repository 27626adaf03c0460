CREATE INDEX docs_pretty ON docs(json_pretty(body));
