CREATE VIEW `authors` AS select "users"."id", "users"."name", count("posts"."id") as "posts" from "users" left join "posts" on "posts"."user_id" = "users"."id" group by "users"."id";
