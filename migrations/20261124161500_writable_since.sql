-- A setup that waited for an admin's decision about an older database has its time again afterwards.

alter table clusters add column writable_since timestamptz;
comment on column clusters.writable_since is 'When an admin last accepted a database that was older than the cluster; null when that never happened.';
