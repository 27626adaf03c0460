UPDATE items SET slug = lower(sku), cents = coalesce(price, 0) * 100;
