CREATE TABLE price_summary AS SELECT substr(sku, 1, 1) AS family, count(*) AS n, avg(price) AS mean FROM items GROUP BY 1;
