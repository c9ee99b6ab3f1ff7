-- What nobody has looked at yet does not wait for those that are looked at again and again.
alter table reconcile add column looked_generation bigint not null default 0;
comment on column reconcile.looked_generation is 'The newest generation that a worker began to look at; below generation, somebody waits for the first look.';
update reconcile set looked_generation = observed_generation;
