-- A hold pauses a rollout in the cluster, and the cluster's audit log names whoever pressed Cancel.
alter table deployments
    add column held_by_kind actor_kind,
    add column held_by_id uuid,
    add constraint deployments_held_by check (held or (held_by_kind is null and held_by_id is null));
comment on column deployments.held_by_kind is 'While it is held: what kind of actor holds it; null for holds from before that was kept.';
comment on column deployments.held_by_id is 'The user or token that holds it.';
