-- One rule for whose records an actor may read.

create function may_read(team uuid, teams uuid[]) returns boolean language sql immutable parallel safe
    return teams is null or team = any (teams);
comment on function may_read is 'Whether a record of this team is among those that may be read: of these teams, or of any and of none where teams is null. The planner inlines it, so an index on the team serves it as if it were written out: it must stay one expression, immutable and not strict.';
