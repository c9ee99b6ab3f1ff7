-- What runs: models, releases, deployments, revisions, and what is seen of them.

create type protocol as enum ('open_inference_v2', 'http');
create type replica_size as enum ('tiny', 'small', 'medium', 'large', 'gpu');
create type deployment_state as enum ('pending', 'rolling_out', 'live', 'degraded', 'failed', 'held', 'deleting');

create table models (
    id uuid primary key,
    team_id uuid not null references teams,
    name text not null,
    description text not null default '',
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint models_name_unique unique (team_id, name)
);
comment on table models is 'Named models of teams.';
comment on column models.id is 'UUIDv7.';
comment on column models.team_id is 'The team.';
comment on column models.name is 'A label, once per team.';
comment on column models.description is 'Free text.';
comment on column models.version is 'Rises with every change; the ETag.';
comment on column models.created_at is 'When it was made.';

create table releases (
    id uuid primary key,
    model_id uuid not null references models,
    number integer not null check (number > 0),
    account_id uuid not null references accounts,
    region text not null,
    repository text not null,
    repository_uri text not null,
    tag text not null,
    digest text not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
    port integer not null check (port between 1 and 65535),
    health_path text not null,
    protocol protocol not null,
    size replica_size not null,
    notes text not null default '',
    created_by_name text not null,
    created_at timestamptz not null default now(),
    constraint releases_number_unique unique (model_id, number)
);
create index releases_account on releases (account_id);
comment on table releases is 'Immutable versions of models. No statement updates this table.';
comment on column releases.id is 'UUIDv7.';
comment on column releases.model_id is 'The model.';
comment on column releases.number is '1, 2, 3, … within the model.';
comment on column releases.account_id is 'The account whose registry holds the image.';
comment on column releases.region is 'The region of that registry.';
comment on column releases.repository is 'The repository''s name.';
comment on column releases.repository_uri is 'Where a node pulls it from, as ECR says.';
comment on column releases.tag is 'The tag that was named.';
comment on column releases.digest is 'What the tag pointed at then; this is what runs.';
comment on column releases.port is 'The port the model listens on.';
comment on column releases.health_path is 'Answers 200 when the model is ready.';
comment on column releases.protocol is 'How it is talked to.';
comment on column releases.size is 'The size that suits it.';
comment on column releases.notes is 'Free text.';
comment on column releases.created_by_name is 'Who registered it.';
comment on column releases.created_at is 'When.';

create table deployments (
    id uuid primary key,
    workspace_id uuid not null references workspaces,
    name text not null,
    generation bigint not null default 1,
    revision integer not null default 1,
    state deployment_state not null default 'pending',
    state_message text,
    ready_replicas integer not null default 0,
    live_revision integer,
    held boolean not null default false,
    metadata jsonb,
    deleting_at timestamptz,
    changed_at timestamptz not null default now(),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint deployments_name_unique unique (workspace_id, name)
);
create index deployments_page on deployments (changed_at desc, id desc);
comment on table deployments is 'Running models.';
comment on column deployments.id is 'UUIDv7.';
comment on column deployments.workspace_id is 'Where it runs.';
comment on column deployments.name is 'The name of its Kubernetes objects.';
comment on column deployments.generation is 'Rises with every wanted change: a revision, a deletion, a release from hold.';
comment on column deployments.revision is 'The wanted revision.';
comment on column deployments.state is 'How it stands, as worker and watch last found.';
comment on column deployments.state_message is 'What is the matter, in a few words.';
comment on column deployments.ready_replicas is 'Replicas that answer.';
comment on column deployments.live_revision is 'The newest revision that came up whole.';
comment on column deployments.held is 'Held by a cancelled operation: no step, no heal, until its next revision.';
comment on column deployments.metadata is 'What the model said about itself when it turned ready.';
comment on column deployments.deleting_at is 'Since when it is on its way out.';
comment on column deployments.changed_at is 'When a person last changed it.';
comment on column deployments.version is 'Rises with every change by a person; the ETag.';
comment on column deployments.created_at is 'When it was made.';

create table revisions (
    deployment_id uuid not null references deployments on delete cascade,
    number integer not null check (number > 0),
    release_id uuid not null references releases,
    size replica_size not null,
    replicas integer not null check (replicas between 1 and 50),
    environment jsonb not null default '[]',
    rolled_back_to integer,
    reason text,
    actor_kind actor_kind not null,
    actor_id uuid,
    created_by_name text not null,
    created_at timestamptz not null default now(),
    primary key (deployment_id, number)
);
create index revisions_release on revisions (release_id);
comment on table revisions is 'Immutable records of applied specs. No statement updates this table.';
comment on column revisions.deployment_id is 'The deployment.';
comment on column revisions.number is '1, 2, 3, …';
comment on column revisions.release_id is 'What runs.';
comment on column revisions.size is 'How much of a node each replica gets.';
comment on column revisions.replicas is 'How many.';
comment on column revisions.environment is 'List of {name, value}, in order.';
comment on column revisions.rolled_back_to is 'The revision it was made from by a rollback.';
comment on column revisions.reason is 'Why, in the actor''s words.';
comment on column revisions.actor_kind is 'Who made it.';
comment on column revisions.actor_id is 'The user or token.';
comment on column revisions.created_by_name is 'Their name at that time.';
comment on column revisions.created_at is 'When.';

create table observed_deployments (
    cluster_id uuid not null references clusters on delete cascade,
    namespace text not null,
    name text not null,
    deployment_id uuid not null,
    uid text not null,
    resource_version text not null,
    installation text not null,
    slipway_generation bigint not null,
    revision integer not null,
    observed_by_controller boolean not null,
    replicas integer not null,
    updated_replicas integer not null,
    ready_replicas integer not null,
    available_replicas integer not null,
    stalled text,
    primary key (cluster_id, namespace, name)
);
create index observed_deployments_deployment on observed_deployments (deployment_id);
comment on table observed_deployments is 'Our Kubernetes Deployments as the cluster''s watch saw them.';
comment on column observed_deployments.cluster_id is 'The cluster.';
comment on column observed_deployments.namespace is 'The namespace.';
comment on column observed_deployments.name is 'The object''s name.';
comment on column observed_deployments.deployment_id is 'The deployment it says it belongs to.';
comment on column observed_deployments.uid is 'Kubernetes'' uid.';
comment on column observed_deployments.resource_version is 'As of the last event.';
comment on column observed_deployments.installation is 'The installation that made it.';
comment on column observed_deployments.slipway_generation is 'Our generation, from its annotation.';
comment on column observed_deployments.revision is 'Our revision, from its annotation.';
comment on column observed_deployments.observed_by_controller is 'Whether Kubernetes'' controller has seen its newest spec.';
comment on column observed_deployments.replicas is 'Pods, old and new.';
comment on column observed_deployments.updated_replicas is 'Pods of the newest spec.';
comment on column observed_deployments.ready_replicas is 'Pods that are ready.';
comment on column observed_deployments.available_replicas is 'Pods that are available.';
comment on column observed_deployments.stalled is 'Why the rollout does not progress, as Kubernetes says.';

create table observed_pods (
    cluster_id uuid not null references clusters on delete cascade,
    namespace text not null,
    name text not null,
    uid text not null,
    deployment_id uuid not null,
    revision integer not null,
    node text,
    phase text not null,
    ready boolean not null,
    terminating boolean not null,
    restarts integer not null,
    reason text,
    message text,
    last_exit jsonb,
    created_at timestamptz not null,
    primary key (cluster_id, namespace, name)
);
create index observed_pods_deployment on observed_pods (deployment_id);
comment on table observed_pods is 'Our pods as the cluster''s watch saw them.';
comment on column observed_pods.cluster_id is 'The cluster.';
comment on column observed_pods.namespace is 'The namespace.';
comment on column observed_pods.name is 'The pod''s name.';
comment on column observed_pods.uid is 'Kubernetes'' uid.';
comment on column observed_pods.deployment_id is 'The deployment it belongs to.';
comment on column observed_pods.revision is 'The revision it runs.';
comment on column observed_pods.node is 'Where it runs.';
comment on column observed_pods.phase is 'As Kubernetes says.';
comment on column observed_pods.ready is 'Whether it answers.';
comment on column observed_pods.terminating is 'Whether it is on its way out.';
comment on column observed_pods.restarts is 'How often its container was started again.';
comment on column observed_pods.reason is 'What is the matter, as Kubernetes words it.';
comment on column observed_pods.message is 'The same at length.';
comment on column observed_pods.last_exit is '{reason, exit_code, last_words, finished_at} of the container before.';
comment on column observed_pods.created_at is 'When it was made.';
