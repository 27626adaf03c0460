CREATE TABLE `lists` (`id` integer PRIMARY KEY NOT NULL, `title` text);
--> statement-breakpoint
CREATE TABLE `entries` (`id` integer PRIMARY KEY NOT NULL, `list_id` integer REFERENCES `lists`(`id`) ON DELETE cascade);
