DROP INDEX items_price;
