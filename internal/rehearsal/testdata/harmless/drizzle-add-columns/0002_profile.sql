ALTER TABLE `users` ADD `bio` text;--> statement-breakpoint
ALTER TABLE `users` ADD `visits` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `users` ADD `settings` text DEFAULT '{}';--> statement-breakpoint
ALTER TABLE `users` ADD `referrer_id` integer REFERENCES users(id);
