CREATE VIRTUAL TABLE search USING fts4(sku, note);
