DELETE FROM folders WHERE name = 'tmp';
