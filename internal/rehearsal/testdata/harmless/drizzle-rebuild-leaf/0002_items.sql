PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_items` (
	`id` integer PRIMARY KEY NOT NULL,
	`sku` text DEFAULT '' NOT NULL,
	`price` integer,
	`note` text
);
--> statement-breakpoint
INSERT INTO `__new_items`("id", "sku", "price", "note") SELECT "id", "sku", "price", "note" FROM `items`;--> statement-breakpoint
DROP TABLE `items`;--> statement-breakpoint
ALTER TABLE `__new_items` RENAME TO `items`;--> statement-breakpoint
PRAGMA foreign_keys=ON;
