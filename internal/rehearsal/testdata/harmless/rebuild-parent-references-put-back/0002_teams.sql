CREATE TABLE members_backup AS SELECT id, team_id FROM members WHERE team_id IS NOT NULL;
CREATE TABLE teams_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, motto TEXT);
INSERT INTO teams_new(id, name) SELECT id, name FROM teams;
DROP TABLE teams;
ALTER TABLE teams_new RENAME TO teams;
UPDATE members SET team_id = b.team_id FROM members_backup b WHERE b.id = members.id;
DROP TABLE members_backup;
