-- The machinery: audit, operations, idempotency, reconcile marks and leases.

create type object_kind as enum ('user', 'team', 'token', 'invitation', 'account', 'cluster', 'workspace', 'model', 'release', 'deployment', 'operation', 'installation');
create type event_outcome as enum ('done', 'accepted', 'refused', 'failed');
create type event_source as enum ('page', 'api', 'cli', 'worker');
create type actor_kind as enum ('anonymous', 'user', 'token', 'system');
create type operation_state as enum ('running', 'succeeded', 'failed', 'cancelled', 'superseded');
create type step_state as enum ('waiting', 'running', 'done', 'failed', 'skipped');

create table audit_events (
    id uuid primary key,
    at timestamptz not null default now(),
    actor_kind actor_kind not null,
    actor_id uuid,
    actor_name text not null,
    source event_source not null,
    address text,
    request_id text,
    action text not null,
    outcome event_outcome not null,
    object_kind object_kind not null,
    object_id uuid,
    object_name text,
    team_id uuid,
    team_name text,
    reason text,
    changes jsonb not null default '[]',
    sequence bigint constraint audit_events_sequence_unique unique,
    hash bytea
);
create index audit_events_page on audit_events (id desc);
create index audit_events_team on audit_events (team_id, id desc);
create index audit_events_object on audit_events (object_id, id desc);
create index audit_events_unsealed on audit_events (id) where sequence is null;
comment on table audit_events is 'What happened. Rows are inserted with the change itself and sealed in order afterwards; only sealing updates them. Names are copied, so that events outlive what they are about.';
comment on column audit_events.id is 'UUIDv7.';
comment on column audit_events.at is 'When, by the database clock.';
comment on column audit_events.actor_kind is 'What kind of actor.';
comment on column audit_events.actor_id is 'The user or token.';
comment on column audit_events.actor_name is 'Their name at that time.';
comment on column audit_events.source is 'Through which door.';
comment on column audit_events.address is 'The network address it came from.';
comment on column audit_events.request_id is 'The request, as logs name it.';
comment on column audit_events.action is 'resource.verb: deployment.roll_back.';
comment on column audit_events.outcome is 'What came of it.';
comment on column audit_events.object_kind is 'The kind of thing it was about.';
comment on column audit_events.object_id is 'Which one.';
comment on column audit_events.object_name is 'Its name at that time.';
comment on column audit_events.team_id is 'The team that owns it: its members see the event.';
comment on column audit_events.team_name is 'The team''s name at that time.';
comment on column audit_events.reason is 'Why, in the actor''s words.';
comment on column audit_events.changes is 'List of {field, before, after}; secrets never.';
comment on column audit_events.sequence is 'The place in the sealed chain, without gaps.';
comment on column audit_events.hash is 'SHA-256 over this event and the hash before it.';

create table operations (
    id uuid primary key,
    verb text not null,
    object_kind object_kind not null,
    object_id uuid not null,
    object_name text not null,
    team_id uuid,
    team_name text,
    generation bigint not null,
    state operation_state not null default 'running',
    failure jsonb,
    actor_kind actor_kind not null,
    actor_id uuid,
    actor_name text not null,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index operations_object on operations (object_id, id desc);
create index operations_team on operations (team_id, id desc);
create unique index operations_one_running on operations (object_id) where state = 'running';
comment on table operations is 'Changes that are not instant, each bound to one generation of one thing; at most one runs per thing.';
comment on column operations.id is 'UUIDv7.';
comment on column operations.verb is 'What is being done: deploy, roll back, delete.';
comment on column operations.object_kind is 'The kind of thing.';
comment on column operations.object_id is 'Which one.';
comment on column operations.object_name is 'Its name at that time.';
comment on column operations.team_id is 'The team that owns it; null for platform things.';
comment on column operations.team_name is 'The team''s name at that time.';
comment on column operations.generation is 'The generation of the thing that it brings about.';
comment on column operations.state is 'How it stands.';
comment on column operations.failure is '{code, cause, next, raw}.';
comment on column operations.actor_kind is 'Who started it: re-checked before every step.';
comment on column operations.actor_id is 'The user or token.';
comment on column operations.actor_name is 'Their name at that time.';
comment on column operations.created_at is 'When it was accepted.';
comment on column operations.finished_at is 'When it was over.';

create table operation_steps (
    operation_id uuid not null references operations on delete cascade,
    number integer not null,
    title text not null,
    state step_state not null default 'waiting',
    detail text,
    started_at timestamptz,
    finished_at timestamptz,
    primary key (operation_id, number)
);
comment on table operation_steps is 'The steps of an operation, in order.';
comment on column operation_steps.operation_id is 'The operation.';
comment on column operation_steps.number is '1, 2, 3, …';
comment on column operation_steps.title is 'In words.';
comment on column operation_steps.state is 'How it stands.';
comment on column operation_steps.detail is 'What goes on just now, or what came out.';
comment on column operation_steps.started_at is 'When it began.';
comment on column operation_steps.finished_at is 'When it was over.';

create table idempotency_keys (
    principal text not null,
    key text not null,
    request_hash bytea not null,
    answer jsonb,
    created_at timestamptz not null default now(),
    primary key (principal, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);
comment on table idempotency_keys is 'Requests that must not happen twice, settled in the operation''s own transaction; kept for a day.';
comment on column idempotency_keys.principal is 'Who asked: user:… or token:….';
comment on column idempotency_keys.key is 'The Idempotency-Key header.';
comment on column idempotency_keys.request_hash is 'SHA-256 of method, path and body: the same key with another request is refused.';
comment on column idempotency_keys.answer is 'What the operation returned.';
comment on column idempotency_keys.created_at is 'When.';

create table reconcile (
    object_id uuid primary key,
    kind object_kind not null,
    scope text not null,
    generation bigint not null,
    observed_generation bigint not null default 0,
    not_before timestamptz not null default now(),
    attempts integer not null default 0,
    lease_owner text,
    lease_epoch bigint not null default 0,
    lease_until timestamptz,
    last_error text,
    marked_at timestamptz not null default now()
);
create index reconcile_due on reconcile (not_before);
create index reconcile_scope on reconcile (scope);
comment on table reconcile is 'Things to look at: desired state lives in their own tables, truth in the cluster; this says when to look next and who looks now.';
comment on column reconcile.object_id is 'The thing.';
comment on column reconcile.kind is 'Its kind: which reconciler looks at it.';
comment on column reconcile.scope is 'What may be slow or dead on its own: cluster:<id>, account:<id>, or none.';
comment on column reconcile.generation is 'The newest wanted generation.';
comment on column reconcile.observed_generation is 'The newest generation that was brought about.';
comment on column reconcile.not_before is 'When to look next, by the database clock.';
comment on column reconcile.attempts is 'Failed looks in a row: how long to back off.';
comment on column reconcile.lease_owner is 'Which worker looks now.';
comment on column reconcile.lease_epoch is 'Rises with every claim; writes of an older claim are refused.';
comment on column reconcile.lease_until is 'When the claim ends by itself.';
comment on column reconcile.last_error is 'What went wrong last, for admins.';
comment on column reconcile.marked_at is 'When it was marked last: the start of reconcile lag.';

create table scopes (
    scope text primary key,
    failures integer not null default 0,
    open_until timestamptz,
    last_error text
);
comment on table scopes is 'Circuit breakers: a scope that keeps failing is left alone for a while, so that it slows only itself.';
comment on column scopes.scope is 'As in reconcile.scope.';
comment on column scopes.failures is 'Failures in a row.';
comment on column scopes.open_until is 'Until then nothing of this scope is claimed.';
comment on column scopes.last_error is 'What went wrong last.';

create table leases (
    name text primary key,
    owner text not null,
    epoch bigint not null default 1,
    until timestamptz not null
);
comment on table leases is 'Who does what must be done by one replica only: cluster:<id> (its watches), sealer, sweeper.';
comment on column leases.name is 'What.';
comment on column leases.owner is 'Which process.';
comment on column leases.epoch is 'Rises with every change of owner; writes of an older owner are refused.';
comment on column leases.until is 'When it ends by itself.';
