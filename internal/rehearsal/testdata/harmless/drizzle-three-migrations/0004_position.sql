ALTER TABLE `entries` ADD `position` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `entries_position` ON `entries` (`list_id`,`position`);
