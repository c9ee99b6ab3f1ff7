-- What is known of Slipway's own way into a cluster.

alter table clusters
    add column principal_arn text,
    add column may_set_up boolean,
    add column admin_policy_borrowed_at timestamptz;
comment on column clusters.principal_arn is 'The IAM role or user that Slipway is there; null until known.';
comment on column clusters.may_set_up is 'Whether that principal may set up its own access; null until known.';
comment on column clusters.admin_policy_borrowed_at is 'Set before Slipway associates the cluster-admin policy with itself, cleared after the policy is seen gone: while it is set, giving it back comes first.';
