DROP TABLE IF EXISTS items_backup;
DROP VIEW IF EXISTS items_view;
DROP INDEX IF EXISTS items_old;
DROP TRIGGER IF EXISTS items_old_trigger;
