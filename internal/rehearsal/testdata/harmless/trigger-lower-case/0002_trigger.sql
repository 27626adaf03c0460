create trigger items_checked before insert on items begin
  select case when new.price < 0 then raise(abort, 'negative; not taken') end;
end;
create trigger items_named after insert on items when new.note is null begin
  update items set note = case when new.sku is null then 'none' else new.sku end where id = new.id;
end;
