-- How many deployments stand how is counted from the index alone, for a team and for all of them.
drop index deployments_team;
create index deployments_team_state on deployments (team_id, state);
