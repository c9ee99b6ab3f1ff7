-- What Slipway made in clusters, and whose metadata a deployment keeps.

create table inventory (
    object_id uuid not null,
    kind text not null,
    namespace text not null,
    name text not null,
    uid text,
    generation bigint not null,
    applied_at timestamptz,
    primary key (object_id, kind, namespace, name)
);
comment on table inventory is 'Kubernetes objects Slipway means to have: written down before they are applied, so that a crash leaves nothing unknown. Only what is listed here is ever pruned.';
comment on column inventory.object_id is 'The deployment or workspace they belong to.';
comment on column inventory.kind is 'Deployment, Service, ….';
comment on column inventory.namespace is 'The namespace; empty for what has none.';
comment on column inventory.name is 'The object''s name.';
comment on column inventory.uid is 'Kubernetes'' uid as of the last apply; null until then.';
comment on column inventory.generation is 'The generation that was applied last; 0 until then.';
comment on column inventory.applied_at is 'When that was.';

alter table deployments add column metadata_revision integer;
comment on column deployments.metadata_revision is 'The revision whose replica said what metadata holds.';

create index deployments_name on deployments (name, id);

alter table workspaces add column may_adopt boolean not null default false;
comment on column workspaces.may_adopt is 'Whether an admin allowed to take over a namespace that is there already; adopted says that it was so.';
