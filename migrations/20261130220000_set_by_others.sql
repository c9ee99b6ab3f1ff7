-- What others set in what Slipway made is told, not only how many replicas they want.
alter table observed_deployments add column others jsonb not null default '[]';
comment on column observed_deployments.others is 'Fields of its spec that others set, each with its owner.';
alter table inventory add column others jsonb not null default '[]';
comment on column inventory.others is 'Fields of its spec that others set, each with its owner, when it was looked at last; a Deployment''s are in observed_deployments.';
