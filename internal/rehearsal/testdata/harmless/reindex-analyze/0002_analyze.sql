REINDEX items_price;
ANALYZE;
PRAGMA optimize;
