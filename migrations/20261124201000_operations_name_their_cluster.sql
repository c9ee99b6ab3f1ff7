-- What an operation is about has its own name; the cluster that it is on stands beside it.

alter table operations add column cluster_name text;
comment on column operations.object_name is 'Its own name at that time.';
comment on column operations.cluster_name is 'The cluster that it is on, by its name at that time; null for what is on none.';

update operations set object_name = split_part(object_name, ' on ', 1), cluster_name = split_part(object_name, ' on ', 2)
where object_kind = 'workspace' and object_name like '% on %';
-- Those that were not written down with their cluster: as far as what they are about is still there.
update operations o set cluster_name = c.name
from workspaces w join clusters c on c.id = w.cluster_id
where o.object_kind = 'workspace' and o.cluster_name is null and w.id = o.object_id;
update operations o set cluster_name = c.name
from deployments d join workspaces w on w.id = d.workspace_id join clusters c on c.id = w.cluster_id
where o.object_kind = 'deployment' and d.id = o.object_id;
