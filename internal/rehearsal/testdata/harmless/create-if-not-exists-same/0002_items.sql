create table if not exists "items"(
  "id" integer primary key,
  "sku" text, "price" integer,
  note TEXT -- free text
);
