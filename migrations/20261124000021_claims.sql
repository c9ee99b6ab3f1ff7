-- When a claim was made, to tell what was seen before it from what was seen since.

alter table reconcile add column claimed_at timestamptz;
comment on column reconcile.claimed_at is 'When it was claimed last: a mark or poke after that makes it due again at once.';
