-- A hold pauses the rollout in the cluster, and the watch says whether it is paused.
alter table observed_deployments add column paused boolean not null default false;
comment on column observed_deployments.paused is 'Whether Kubernetes was told to go no further with its rollout.';
