-- Where models run: AWS accounts, clusters, what is seen of them, workspaces.

create type cluster_state as enum ('connecting', 'connected', 'needs_access', 'unreachable', 'gone');
create type workspace_state as enum ('preparing', 'ready', 'failed', 'deleting');

create table accounts (
    id uuid primary key,
    name text not null constraint accounts_name_unique unique,
    aws_account_id text not null default '',
    role_arn text,
    external_id text not null,
    regions text[] not null,
    checks jsonb not null default '[]',
    check_error text,
    checked_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now()
);
comment on table accounts is 'AWS accounts Slipway works in.';
comment on column accounts.id is 'UUIDv7.';
comment on column accounts.name is 'A label.';
comment on column accounts.aws_account_id is 'Twelve digits; empty until the first check told.';
comment on column accounts.role_arn is 'The role to assume; null uses the process''s own credentials as they are.';
comment on column accounts.external_id is 'Given at AssumeRole; random, made here, so that nobody can point Slipway at a role that trusts it for others.';
comment on column accounts.regions is 'Where to look for clusters and repositories.';
comment on column accounts.checks is 'List of {action, purpose, verdict, detail}.';
comment on column accounts.check_error is 'Why the last check could not be made at all.';
comment on column accounts.checked_at is 'When it was checked last.';
comment on column accounts.version is 'Rises with every change; the ETag.';
comment on column accounts.created_at is 'When it was added.';

create table repository_prefixes (
    account_id uuid not null references accounts on delete cascade,
    prefix text not null check (prefix like '%/'),
    team_id uuid not null references teams,
    created_at timestamptz not null default now(),
    constraint repository_prefixes_unique primary key (account_id, prefix)
);
create index repository_prefixes_team on repository_prefixes (team_id);
comment on table repository_prefixes is 'Which team may release from which ECR repositories.';
comment on column repository_prefixes.account_id is 'The account.';
comment on column repository_prefixes.prefix is 'Ends in a slash.';
comment on column repository_prefixes.team_id is 'The team.';
comment on column repository_prefixes.created_at is 'Since when.';

create table clusters (
    id uuid primary key,
    name text not null constraint clusters_name_unique unique,
    account_id uuid not null references accounts,
    region text not null,
    eks_name text not null,
    arn text not null constraint clusters_arn_unique unique,
    connection jsonb not null default '{}',
    generation bigint not null default 1,
    state cluster_state not null default 'connecting',
    state_message text,
    state_raw text,
    kubernetes_version text,
    eks_status text,
    authentication_mode text,
    endpoint text,
    certificate_authority text,
    enforces_network_policies boolean,
    access jsonb not null default '[]',
    synced_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now()
);
create index clusters_account on clusters (account_id);
comment on table clusters is 'EKS clusters attached to this installation, with what was seen of them.';
comment on column clusters.id is 'UUIDv7.';
comment on column clusters.name is 'Its name here.';
comment on column clusters.account_id is 'The account it is in.';
comment on column clusters.region is 'The region it is in.';
comment on column clusters.eks_name is 'Its name in EKS; signed into every token.';
comment on column clusters.arn is 'Its ARN.';
comment on column clusters.connection is 'An admin''s override: {server, certificate_authority, tls_server_name, proxy}; empty uses what DescribeCluster says.';
comment on column clusters.generation is 'Rises with every wanted change.';
comment on column clusters.state is 'How Slipway and the cluster stand.';
comment on column clusters.state_message is 'Why it is not connected, in a sentence.';
comment on column clusters.state_raw is 'What AWS or Kubernetes said about that.';
comment on column clusters.kubernetes_version is 'Major and minor.';
comment on column clusters.eks_status is 'As EKS says.';
comment on column clusters.authentication_mode is 'As EKS says.';
comment on column clusters.endpoint is 'The API server''s address, from DescribeCluster.';
comment on column clusters.certificate_authority is 'PEM, from DescribeCluster.';
comment on column clusters.enforces_network_policies is 'Whether network policies have an effect; null until known.';
comment on column clusters.access is 'List of {right, purpose, allowed}.';
comment on column clusters.synced_at is 'When it was last heard of.';
comment on column clusters.version is 'Rises with every change by a person; the ETag.';
comment on column clusters.created_at is 'When it was attached.';

create table observed_sync (
    cluster_id uuid not null references clusters on delete cascade,
    kind text not null,
    synced_at timestamptz not null,
    lease_epoch bigint not null,
    primary key (cluster_id, kind)
);
comment on table observed_sync is 'How fresh what is seen of a cluster is; bookmarks move it, so that a quiet cluster is not taken for a stale one.';
comment on column observed_sync.cluster_id is 'The cluster.';
comment on column observed_sync.kind is 'nodes, pods, deployments.';
comment on column observed_sync.synced_at is 'When the watch last said anything.';
comment on column observed_sync.lease_epoch is 'The epoch of the lease under which it was written.';

create table observed_nodes (
    cluster_id uuid not null references clusters on delete cascade,
    name text not null,
    zone text,
    instance_type text,
    node_group text,
    ready boolean not null,
    schedulable boolean not null,
    message text,
    cpu_millis bigint not null,
    memory_mib bigint not null,
    gpus bigint not null,
    pods bigint not null,
    kubelet_version text not null,
    created_at timestamptz not null,
    primary key (cluster_id, name)
);
comment on table observed_nodes is 'Nodes as the cluster''s watch saw them.';
comment on column observed_nodes.cluster_id is 'The cluster.';
comment on column observed_nodes.name is 'The node''s name.';
comment on column observed_nodes.zone is 'From topology.kubernetes.io/zone.';
comment on column observed_nodes.instance_type is 'From node.kubernetes.io/instance-type.';
comment on column observed_nodes.node_group is 'From eks.amazonaws.com/nodegroup.';
comment on column observed_nodes.ready is 'The Ready condition.';
comment on column observed_nodes.schedulable is 'False when cordoned.';
comment on column observed_nodes.message is 'Why it is not ready.';
comment on column observed_nodes.cpu_millis is 'Allocatable, thousandths of a CPU.';
comment on column observed_nodes.memory_mib is 'Allocatable, MiB.';
comment on column observed_nodes.gpus is 'Allocatable NVIDIA GPUs.';
comment on column observed_nodes.pods is 'Allocatable pods.';
comment on column observed_nodes.kubelet_version is 'As the node says.';
comment on column observed_nodes.created_at is 'When it joined.';

create table workspaces (
    id uuid primary key,
    name text not null,
    team_id uuid not null references teams,
    cluster_id uuid not null references clusters,
    adopted boolean not null default false,
    cpu_millis bigint not null check (cpu_millis > 0),
    memory_mib bigint not null check (memory_mib > 0),
    gpus bigint not null default 0 check (gpus >= 0),
    pods bigint not null check (pods > 0),
    generation bigint not null default 1,
    state workspace_state not null default 'preparing',
    state_message text,
    state_raw text,
    synced_at timestamptz,
    deleting_at timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint workspaces_name_unique unique (cluster_id, name)
);
create index workspaces_team on workspaces (team_id);
comment on table workspaces is 'A team''s namespaces on clusters.';
comment on column workspaces.id is 'UUIDv7.';
comment on column workspaces.name is 'The namespace''s name.';
comment on column workspaces.team_id is 'The team.';
comment on column workspaces.cluster_id is 'The cluster.';
comment on column workspaces.adopted is 'The namespace was there before Slipway: it stays when the workspace goes.';
comment on column workspaces.cpu_millis is 'Quota: thousandths of a CPU.';
comment on column workspaces.memory_mib is 'Quota: MiB.';
comment on column workspaces.gpus is 'Quota: GPUs.';
comment on column workspaces.pods is 'Quota: pods.';
comment on column workspaces.generation is 'Rises with every wanted change.';
comment on column workspaces.state is 'How it stands.';
comment on column workspaces.state_message is 'Why it could not be made.';
comment on column workspaces.state_raw is 'What Kubernetes said about that.';
comment on column workspaces.synced_at is 'When its objects were last seen whole.';
comment on column workspaces.deleting_at is 'Since when it is on its way out.';
comment on column workspaces.version is 'Rises with every change by a person; the ETag.';
comment on column workspaces.created_at is 'When it was made.';
