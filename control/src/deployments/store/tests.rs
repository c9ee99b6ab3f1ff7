use domain::{
    access::TeamRole,
    deployment::{DeploymentChange, NewDeployment},
};
use sqlx::PgPool;

use super::*;
use crate::{Ctx, deployments, testing::World, workspaces::fixture::Place};

async fn deploy(ctx: &Ctx, place: &Place) -> DeploymentId {
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    DeploymentId(deployments::create(ctx, &new).await.unwrap().object)
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_replica_of_a_revision_that_never_was_serves_nobody(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let id = deploy(&ada, &place).await;
    let mut conn = world.control.pool.acquire().await.unwrap();
    replica(&world, &place, id, "planted", 999_999).await;
    assert!(served(&mut conn, id, None).await.unwrap().pod.is_none());
    replica(&world, &place, id, "true", 1).await;
    assert_eq!(served(&mut conn, id, None).await.unwrap().pod.unwrap().name, "true");
    // Whoever just went is not asked again.
    assert!(served(&mut conn, id, Some("true")).await.unwrap().pod.is_none());
    replica(&world, &place, id, "second", 1).await;
    assert_eq!(served(&mut conn, id, Some("true")).await.unwrap().pod.unwrap().name, "second");
}

/// A replica that answers.
async fn replica(world: &World, place: &Place, id: DeploymentId, name: &str, revision: i32) {
    sqlx::query!(
        "insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at)
         values ($1, 'forecasting', $2, $2, $3, $4, 'Running', true, false, 0, now())",
        place.cluster.0,
        name,
        id.0,
        revision
    )
    .execute(&world.control.pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_long_history_does_not_slow_what_is_asked_for_every_prediction(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let id = deploy(&ada, &place).await;
    deployments::change(&ada, id, &DeploymentChange { release: Some(place.releases[1]), ..DeploymentChange::default() }).await.unwrap();
    // Scaled to and fro for years.
    sqlx::query!(
        "insert into revisions (deployment_id, number, release_id, size, replicas, environment, actor_kind, created_by_name)
         select deployment_id, n, release_id, size, 1 + n % 2, environment, actor_kind, created_by_name from revisions, generate_series(3, 8000) n where deployment_id = $1 and number = 1",
        id.0
    )
    .execute(&world.control.pool)
    .await
    .unwrap();
    let mut tx = world.control.pool.begin().await.unwrap();
    sqlx::query!("set local statement_timeout = '2s'").execute(&mut *tx).await.unwrap();
    let alike = newest_alike(&mut tx, id, &[1, 2, 999_999]).await.unwrap();
    assert_eq!(alike, [(1, 8000), (2, 2)].into());
}
