INSERT OR REPLACE INTO teams(id, name) VALUES (1, 'crimson'), (2, 'navy'), (3, 'green');
