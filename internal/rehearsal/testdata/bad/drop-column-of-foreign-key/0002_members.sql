ALTER TABLE members DROP COLUMN team_id;
