-- The list shows the newest notes; without an index it would read all of them.
CREATE INDEX notes_by_time ON notes (created_at);
