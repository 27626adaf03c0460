-- d1-rewind:allow drop-view no Worker has read it since version 2.3
DROP VIEW cheap;
/* d1-rewind:allow delete-all everybody logs in again after the key was changed */
DELETE FROM sessions;
ALTER TABLE items DROP COLUMN sku; -- d1-rewind:allow drop-column the Worker of March does not read it
UPDATE items -- d1-rewind:allow update-all every price is in cents from now on
  SET price = price * 100;
