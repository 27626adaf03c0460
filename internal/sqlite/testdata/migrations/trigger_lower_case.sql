create trigger x after insert on t
begin
  update t set b = 5 where id = new.id;
end;
insert into t(a) values ('n');
