begin;
create table x(a);
commit;
