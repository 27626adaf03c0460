ALTER TABLE `items` ADD `size` text;--> statement-breakpoint
ALTER TABLE `items` ADD `colour` text NOT NULL;
