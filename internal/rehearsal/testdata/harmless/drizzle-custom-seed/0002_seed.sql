-- Custom SQL migration file, put your code below! --
INSERT INTO `items` (`sku`, `price`) VALUES ('C-1', 10), ('C-2', 20);
