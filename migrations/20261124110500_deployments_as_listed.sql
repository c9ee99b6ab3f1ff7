-- What lists show of a deployment, kept beside it: a page of the list is then one walk along one index, without a join.
-- Names of teams, workspaces, clusters and models never change, and releases and revisions are immutable, so the copies stay true.

alter table deployments
    add column team_id uuid references teams,
    add column team_name text,
    add column workspace_name text,
    add column cluster_name text,
    add column model_id uuid,
    add column model_name text,
    add column release_number integer,
    add column size replica_size,
    add column replicas integer;
comment on column deployments.team_id is 'The workspace''s team. Null, like the copies below, only until its first revision is written.';
comment on column deployments.team_name is 'A copy of the team''s name.';
comment on column deployments.workspace_name is 'A copy of the workspace''s name.';
comment on column deployments.cluster_name is 'A copy of the cluster''s name.';
comment on column deployments.model_id is 'The model of the wanted revision.';
comment on column deployments.model_name is 'A copy of its name.';
comment on column deployments.release_number is 'The release''s number of the wanted revision.';
comment on column deployments.size is 'The size of the wanted revision.';
comment on column deployments.replicas is 'The replicas of the wanted revision.';

create function show_revision() returns trigger language plpgsql as $$
begin
    update deployments d
    set team_id = t.id, team_name = t.name, workspace_name = w.name, cluster_name = c.name,
        model_id = m.id, model_name = m.name, release_number = r.number, size = new.size, replicas = new.replicas
    from workspaces w, teams t, clusters c, releases r, models m
    where d.id = new.deployment_id and d.revision = new.number
      and w.id = d.workspace_id and t.id = w.team_id and c.id = w.cluster_id and r.id = new.release_id and m.id = r.model_id;
    return null;
end
$$;
comment on function show_revision is 'Copies what lists show of a newly wanted revision onto its deployment, in the same transaction.';
create trigger revisions_shown after insert on revisions for each row execute function show_revision();

update deployments d
set team_id = t.id, team_name = t.name, workspace_name = w.name, cluster_name = c.name,
    model_id = m.id, model_name = m.name, release_number = r.number, size = v.size, replicas = v.replicas
from workspaces w, teams t, clusters c, revisions v, releases r, models m
where v.deployment_id = d.id and v.number = d.revision
  and w.id = d.workspace_id and t.id = w.team_id and c.id = w.cluster_id and r.id = v.release_id and m.id = r.model_id;

create index deployments_team on deployments (team_id);
