PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_lists` (`id` integer PRIMARY KEY NOT NULL, `title` text NOT NULL);
--> statement-breakpoint
INSERT INTO `__new_lists`("id", "title") SELECT "id", "title" FROM `lists`;--> statement-breakpoint
DROP TABLE `lists`;--> statement-breakpoint
ALTER TABLE `__new_lists` RENAME TO `lists`;--> statement-breakpoint
PRAGMA foreign_keys=ON;
