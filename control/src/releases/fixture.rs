//! Rows for tests that are about something else than ECR.

use domain::ids::{ModelId, ReleaseId};
use sqlx::PgPool;
use uuid::Uuid;

/// A release that nobody registered, in an account made for it.
pub async fn insert(pool: &PgPool, model: ModelId, number: i32) -> ReleaseId {
    let (account, release) = (Uuid::now_v7(), ReleaseId::generate());
    sqlx::query("insert into accounts (id, name, external_id, regions) values ($1, $2, 'x', '{us-east-1}')").bind(account).bind(account.to_string()).execute(pool).await.unwrap();
    sqlx::query(
        "insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name)
         values ($1, $2, $3, $4, 'us-east-1', 'forecasting/iris', 'registry/forecasting/iris', '1', 'sha256:' || repeat('a', 64), 8080, '/v2/health/ready', 'open_inference_v2', 'small', 'x')",
    )
    .bind(release.0)
    .bind(model.0)
    .bind(number)
    .bind(account)
    .execute(pool)
    .await
    .unwrap();
    release
}

/// A deployment whose first revision is of the release, in a workspace made for it.
pub async fn deploy(pool: &PgPool, release: ReleaseId, name: &str) -> Uuid {
    let (cluster, workspace, deployment) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    sqlx::query("insert into clusters (id, name, account_id, region, eks_name, arn) select $1, 'c-' || $1, account_id, region, 'c', 'arn:' || $1 from releases where id = $2")
        .bind(cluster)
        .bind(release.0)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods)
         select $1, 'forecasting', m.team_id, $2, 1000, 1024, 10 from releases r join models m on m.id = r.model_id where r.id = $3",
    )
    .bind(workspace)
    .bind(cluster)
    .bind(release.0)
    .execute(pool)
    .await
    .unwrap();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("insert into deployments (id, workspace_id, name) values ($1, $2, $3)").bind(deployment).bind(workspace).bind(name).execute(&mut *tx).await.unwrap();
    sqlx::query("insert into revisions (deployment_id, number, release_id, size, replicas, actor_kind, created_by_name) values ($1, 1, $2, 'small', 1, 'system', 'x')")
        .bind(deployment)
        .bind(release.0)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    deployment
}
