DROP TABLE notes_data;
