-- What others change in what a workspace consists of is noticed, told, and set back by a repair.
alter table workspaces add column takes_over jsonb not null default '[]';
comment on column workspaces.takes_over is 'Fields of others that a repair of the wanted generation sets back, each with the owner that a person was shown.';
comment on column workspaces.state_message is 'Why it is as it is; of a ready one, why a look at it came to nothing.';
comment on column observed_sync.kind is 'nodes, pods, deployments, and the kinds of object that are only missed: services, networkpolicies, …';

create index audit_events_at on audit_events (at);

create index inventory_named on inventory (kind, namespace, name);

alter table inventory add column others_at timestamptz;
comment on column inventory.others_at is 'When a watch last said something new of others; a look that began before says nothing about it.';
