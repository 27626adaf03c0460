CREATE TABLE `items` (`id` integer PRIMARY KEY NOT NULL, `sku` text, `price` integer);
CREATE INDEX `items_idx` ON `items` (`sku`);
