use domain::{access::PlatformRole, operation::OperationQuery};
use sqlx::PgPool;

use crate::{db::MIGRATOR, operations, testing::World};

/// The last schema in which a workspace's operations had its cluster in their name.
const BEFORE: i64 = 20_261_124_194_500;

/// What that schema held: a workspace with an operation of each age, one that is gone, a deployment, and a cluster.
const HELD: &str = "
    insert into teams (id, name) values ('00000000-0000-0000-0000-000000000010', 'forecasting');
    insert into accounts (id, name, external_id, regions) values ('00000000-0000-0000-0000-000000000020', 'main', 'external', '{us-east-1}');
    insert into clusters (id, name, account_id, region, eks_name, arn) values
        ('00000000-0000-0000-0000-000000000030', 'lab', '00000000-0000-0000-0000-000000000020', 'us-east-1', 'lab', 'arn:aws:eks:us-east-1:123456789012:cluster/lab');
    insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods) values
        ('00000000-0000-0000-0000-000000000040', 'forecasting', '00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-000000000030', 1000, 1024, 5);
    insert into deployments (id, workspace_id, name) values ('00000000-0000-0000-0000-000000000070', '00000000-0000-0000-0000-000000000040', 'iris');
    insert into models (id, team_id, name) values ('00000000-0000-0000-0000-000000000050', '00000000-0000-0000-0000-000000000010', 'iris');
    insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name) values
        ('00000000-0000-0000-0000-000000000060', '00000000-0000-0000-0000-000000000050', 1, '00000000-0000-0000-0000-000000000020', 'us-east-1', 'forecasting/iris', 'x/forecasting/iris', '1',
         'sha256:' || repeat('a', 64), 8080, '/health', 'http', 'tiny', 'ada');
    insert into revisions (deployment_id, number, release_id, size, replicas, actor_kind, created_by_name) values
        ('00000000-0000-0000-0000-000000000070', 1, '00000000-0000-0000-0000-000000000060', 'tiny', 1, 'user', 'ada');
    insert into operations (id, verb, object_kind, object_id, object_name, generation, state, actor_kind, actor_name) values
        ('00000000-0000-0000-0000-000000000081', 'create', 'workspace', '00000000-0000-0000-0000-000000000040', 'forecasting', 1, 'succeeded', 'system', 'x'),
        ('00000000-0000-0000-0000-000000000082', 'change quota', 'workspace', '00000000-0000-0000-0000-000000000040', 'forecasting on lab', 2, 'succeeded', 'system', 'x'),
        ('00000000-0000-0000-0000-000000000083', 'delete', 'workspace', '00000000-0000-0000-0000-000000000041', 'scratch on fleet', 2, 'succeeded', 'system', 'x'),
        ('00000000-0000-0000-0000-000000000084', 'delete', 'workspace', '00000000-0000-0000-0000-000000000042', 'old', 2, 'succeeded', 'system', 'x'),
        ('00000000-0000-0000-0000-000000000085', 'deploy', 'deployment', '00000000-0000-0000-0000-000000000070', 'iris', 1, 'succeeded', 'system', 'x'),
        ('00000000-0000-0000-0000-000000000086', 'set up access', 'cluster', '00000000-0000-0000-0000-000000000030', 'lab', 1, 'succeeded', 'system', 'x')";

#[sqlx::test(migrations = false)]
async fn names_that_were_kept_with_their_cluster_are_taken_apart(pool: PgPool) {
    MIGRATOR.run_to(BEFORE, &pool).await.unwrap();
    sqlx::raw_sql(HELD).execute(&pool).await.unwrap();
    MIGRATOR.run(&pool).await.unwrap();
    let admin = World::new(pool).await.user("admin", Some(PlatformRole::Admin)).await;
    let mut listed = operations::list(&admin, &OperationQuery::default()).await.unwrap().items;
    listed.reverse();
    let names: Vec<(&str, &str, Option<&str>)> = listed.iter().map(|one| (one.verb.as_str(), one.object_name.as_str(), one.cluster_name.as_deref())).collect();
    let lab = Some("lab");
    assert_eq!(
        names,
        [
            ("create", "forecasting", lab),
            ("change quota", "forecasting", lab),
            ("delete", "scratch", Some("fleet")),
            ("delete", "old", None),
            ("deploy", "iris", lab),
            ("set up access", "lab", None),
        ]
    );
}
