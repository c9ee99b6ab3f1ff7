-- Two more of what lists show of a deployment, kept beside it like the others.

alter table deployments
    add column cluster_id uuid references clusters,
    add column release_id uuid references releases;
comment on column deployments.cluster_id is 'The workspace''s cluster.';
comment on column deployments.release_id is 'The release of the wanted revision.';

create or replace function show_revision() returns trigger language plpgsql as $$
begin
    update deployments d
    set team_id = t.id, team_name = t.name, workspace_name = w.name, cluster_id = c.id, cluster_name = c.name,
        model_id = m.id, model_name = m.name, release_id = r.id, release_number = r.number, size = new.size, replicas = new.replicas
    from workspaces w, teams t, clusters c, releases r, models m
    where d.id = new.deployment_id and d.revision = new.number
      and w.id = d.workspace_id and t.id = w.team_id and c.id = w.cluster_id and r.id = new.release_id and m.id = r.model_id;
    return null;
end
$$;

update deployments d
set cluster_id = w.cluster_id, release_id = v.release_id
from workspaces w, revisions v
where w.id = d.workspace_id and v.deployment_id = d.id and v.number = d.revision;

create index deployments_cluster on deployments (cluster_id);
create index deployments_release on deployments (release_id);
