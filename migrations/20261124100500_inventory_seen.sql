-- When inventory was last found whole.

alter table inventory add column seen_at timestamptz;
comment on column inventory.seen_at is 'When the object was last applied or found in the cluster.';
