CREATE TABLE `users` (`id` integer PRIMARY KEY NOT NULL, `name` text);
CREATE TABLE `posts` (
	`id` integer PRIMARY KEY NOT NULL,
	`user_id` integer,
	`title` text,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
CREATE INDEX `posts_user` ON `posts` (`user_id`);
