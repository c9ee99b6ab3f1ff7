insert into users (id, email, name, password_hash) values
    ('00000000-0000-0000-0000-00000000000f', 'somebody@example.com', 'Somebody', 'none');
insert into teams (id, name) values
    ('00000000-0000-0000-0000-000000000010', 'forecasting'),
    ('00000000-0000-0000-0000-000000000011', 'growth');
-- A second owner, so that one may leave.
insert into members (team_id, user_id, role) values
    ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-00000000000f', 'owner');
insert into accounts (id, name, aws_account_id, external_id, regions) values
    ('00000000-0000-0000-0000-000000000020', 'main', '123456789012', 'external', '{us-east-1}');
insert into repository_prefixes (account_id, prefix, team_id) values
    ('00000000-0000-0000-0000-000000000020', 'forecasting/', '00000000-0000-0000-0000-000000000010');
insert into clusters (id, name, account_id, region, eks_name, arn) values
    ('00000000-0000-0000-0000-000000000030', 'lab', '00000000-0000-0000-0000-000000000020', 'us-east-1', 'lab', 'arn:aws:eks:us-east-1:123456789012:cluster/lab');
insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods, state) values
    ('00000000-0000-0000-0000-000000000040', 'forecasting', '00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-000000000030', 8000, 16384, 50, 'ready');
insert into models (id, team_id, name) values
    ('00000000-0000-0000-0000-000000000050', '00000000-0000-0000-0000-000000000010', 'iris');
insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name) values
    ('00000000-0000-0000-0000-000000000060', '00000000-0000-0000-0000-000000000050', 1, '00000000-0000-0000-0000-000000000020', 'us-east-1', 'forecasting/iris',
     '127.0.0.1:1/forecasting/iris', '1', 'sha256:103f91071111111111111111111111111111111111111111111111111111abcd', 8080, '/v2/health/ready', 'open_inference_v2', 'small', 'x');
insert into deployments (id, workspace_id, name, state) values
    ('00000000-0000-0000-0000-000000000070', '00000000-0000-0000-0000-000000000040', 'iris', 'live');
insert into revisions (deployment_id, number, release_id, size, replicas, actor_kind, created_by_name) values
    ('00000000-0000-0000-0000-000000000070', 1, '00000000-0000-0000-0000-000000000060', 'small', 1, 'system', 'x');
insert into operations (id, verb, object_kind, object_id, object_name, team_id, team_name, generation, actor_kind, actor_name) values
    ('00000000-0000-0000-0000-000000000080', 'deploy', 'deployment', '00000000-0000-0000-0000-000000000070', 'iris', '00000000-0000-0000-0000-000000000010', 'forecasting', 1, 'system', 'x');
insert into tokens (id, secret_hash, prefix, name, kind, team_id, role, created_by_name, expires_at) values
    ('00000000-0000-0000-0000-000000000090', '\x90', 'slipway_x', 'nightly', 'team', '00000000-0000-0000-0000-000000000010', 'viewer', 'x', now() + interval '1 day');
insert into one_time_links (id, purpose, secret_hash, email, created_by_name, expires_at) values
    ('00000000-0000-0000-0000-0000000000a0', 'invitation', sha256('invited'), 'new@example.com', 'x', now() + interval '1 day');
