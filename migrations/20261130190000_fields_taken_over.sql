-- A person may have one revision applied with the fields that others set in the cluster; and a revision says that it ended a hold.
alter table revisions
    add column take_over boolean not null default false,
    add column resumes boolean not null default false;
comment on column revisions.take_over is 'Whether it takes over fields that others set in the cluster, as whoever made it wished.';
comment on column revisions.resumes is 'Whether the deployment was on hold until it was made.';

-- How many replicas the cluster was told to run is not how many there are: somebody may have scaled by hand.
alter table observed_deployments add column asked_replicas integer;
comment on column observed_deployments.asked_replicas is 'How many replicas its spec asks for; null until the watch says.';
