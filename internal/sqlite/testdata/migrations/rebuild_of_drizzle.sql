PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_p2` (
	`id` integer PRIMARY KEY NOT NULL,
	`v` text DEFAULT 'none' NOT NULL
);
--> statement-breakpoint
INSERT INTO `__new_p2`("id", "v") SELECT "id", "v" FROM `p2`;--> statement-breakpoint
DROP TABLE `p2`;--> statement-breakpoint
ALTER TABLE `__new_p2` RENAME TO `p2`;--> statement-breakpoint
PRAGMA foreign_keys=ON;
