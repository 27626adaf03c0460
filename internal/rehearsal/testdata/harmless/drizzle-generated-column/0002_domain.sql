ALTER TABLE `users` ADD `domain` text GENERATED ALWAYS AS (substr("email", instr("email", '@') + 1)) VIRTUAL;--> statement-breakpoint
CREATE INDEX `users_domain` ON `users` (`domain`);
