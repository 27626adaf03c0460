CREATE TABLE tags (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE note_tags (
  note_id INTEGER NOT NULL REFERENCES notes(id) ON DELETE CASCADE,
  tag_id  INTEGER NOT NULL REFERENCES tags(id) ON DELETE CASCADE,
  PRIMARY KEY (note_id, tag_id)
) WITHOUT ROWID;

INSERT INTO tags (name) VALUES ('welcome');
INSERT INTO notes (title, body) VALUES ('Hello', 'The first note; it has a tag.');
INSERT INTO note_tags (note_id, tag_id) SELECT notes.id, tags.id FROM notes, tags;
