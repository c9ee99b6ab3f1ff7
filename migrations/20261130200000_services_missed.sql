comment on column observed_sync.kind is 'nodes, pods, deployments, services.';
comment on column inventory.seen_at is 'When all of the thing was last found in the cluster; the epoch once the watch missed an object, which has it looked at again.';
