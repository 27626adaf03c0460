CREATE TABLE documents (
  id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
  body TEXT NOT NULL CHECK (json_valid(body)),
  kind TEXT AS (body ->> '$.kind') STORED
);
CREATE INDEX documents_kind ON documents(kind);
INSERT INTO documents(body) VALUES (json_object('kind', 'note', 'tags', json_array('a', 'b')));
