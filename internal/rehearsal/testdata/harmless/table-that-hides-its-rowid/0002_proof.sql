INSERT INTO proof SELECT 'shadowed', (SELECT count(*) FROM shadowed) = 3;
