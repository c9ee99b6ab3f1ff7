-- What others change in what a workspace consists of is noticed, told, and set back by a repair.
alter table workspaces add column takes_over jsonb not null default '[]';
comment on column workspaces.takes_over is 'Fields of others that a repair of the wanted generation sets back, each with the owner that a person was shown.';
comment on column workspaces.state_message is 'Why it is as it is; of a ready one, why a look at it came to nothing.';
comment on column observed_sync.kind is 'nodes, pods, deployments, and the kinds of object that are only missed: services, networkpolicies, …';

-- Of 50 rows of a list, 50 index scans of about 12 entries each.
create function others_set(workspace uuid) returns jsonb language sql stable return (
    select coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'name', name, 'fields', others) order by kind, name), '[]')
    from inventory where object_id = workspace and others <> '[]'
);
comment on function others_set is 'The objects of a workspace of which others set fields, as the portal tells of them.';

create index audit_events_at on audit_events (at);

create index inventory_named on inventory (kind, namespace, name);
