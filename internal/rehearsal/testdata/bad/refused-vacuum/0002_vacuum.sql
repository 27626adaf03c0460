UPDATE items SET note = '' WHERE note IS NULL;
VACUUM;
