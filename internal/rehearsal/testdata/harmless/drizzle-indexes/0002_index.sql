DROP INDEX IF EXISTS `items_idx`;--> statement-breakpoint
CREATE INDEX `items_idx` ON `items` (`sku`,`price`);
