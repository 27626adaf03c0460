CREATE UNIQUE INDEX addresses_main ON addresses(user_id) WHERE main;
