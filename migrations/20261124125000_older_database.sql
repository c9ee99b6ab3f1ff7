-- A database that was restored is older than the clusters it is about.
alter table clusters add column read_only_since timestamptz;
comment on column clusters.read_only_since is 'Set: the cluster holds newer things of ours than this database, which was probably restored. Nothing is applied or deleted there until an admin has decided.';

create table newer_in_cluster (
    object_id uuid primary key,
    cluster_id uuid not null references clusters on delete cascade,
    object_kind object_kind not null,
    generation bigint not null,
    seen_at timestamptz not null default now()
);
create index newer_in_cluster_cluster on newer_in_cluster (cluster_id);
comment on table newer_in_cluster is 'Workspaces and deployments of which a cluster holds a generation that this database never gave out. Emptied when an admin accepts the database.';
comment on column newer_in_cluster.object_id is 'The workspace or deployment.';
comment on column newer_in_cluster.cluster_id is 'Where.';
comment on column newer_in_cluster.object_kind is 'Which of the two it is.';
comment on column newer_in_cluster.generation is 'The highest generation found on an object of it.';
comment on column newer_in_cluster.seen_at is 'When that was found last.';
