UPDATE shops SET code = (SELECT code FROM cities WHERE name = shops.city) WHERE code = '';
