//! API servers that are down, slow, or have revoked Slipway, in the middle of rollouts.

use control::{clusters, deployments};
use domain::{cluster::ClusterState, deployment::DeploymentState, ids::DeploymentId, operation::OperationState};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    nodes::Closed,
    place::{objects_of, whole},
    scene::{Scene, within},
    stage::Stage,
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_rollout_outlasts_an_api_server_that_is_down_and_other_clusters_go_on(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, fleet, admin, workspace } = &stage;
    scene.connect("lab").await;
    let elsewhere = place.workspace(scene, "lab").await;
    let live = stage.live("live").await;
    let closed = Closed::new(scene, "fleet").await;
    let begun = stage.deploy("begun").await;
    scene.says(begun.operation, "waits for a node").await;
    let changed = place.renew(live).await;
    scene.says(changed.operation, "waits for a node").await;

    let down = scene.sandbox.strike(json!({"kind": "api-server-down", "cluster": "fleet", "seconds": 120}));
    for operation in [begun.operation, changed.operation] {
        let said = scene.says(operation, "The cluster's API server could not be reached.").await;
        assert!(!said.contains("connect error") && !said.contains("127.0.0.1"), "{said}");
    }
    within(20, "the cluster says so, too", async || clusters::get(&scene.admin, fleet.id).await.unwrap().state == ClusterState::Unreachable).await;
    let waiting = stage.deploy("waiting").await;
    scene.says(waiting.operation, "could not be reached").await;
    // Elsewhere everything goes on meanwhile.
    let other = place.deploy(elsewhere.id, "iris").await;
    scene.succeeds(other.operation).await;
    for started in [&begun, &changed, &waiting] {
        assert_eq!(scene.operation(started.operation).await.state, OperationState::Running, "nothing is lost");
    }
    let served = deployments::get(&place.deployer, live).await.unwrap();
    assert_eq!((served.summary.state, served.summary.ready_replicas), (DeploymentState::RollingOut, 0), "nothing of the second revision is up");
    assert_eq!(served.summary.still_serving.map(|still| still.ready), Some(2), "the first revision serves, as far as anybody knows");

    drop(down);
    drop(closed);
    for started in [&begun, &changed, &waiting] {
        scene.succeeds(started.operation).await;
    }
    assert_eq!(objects_of(admin, &workspace.namespace, DeploymentId(waiting.object)).await, whole(2));
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_api_server_that_is_slow_makes_a_rollout_slow_and_nothing_else(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let scene = &stage.scene;
    let slow = scene.sandbox.strike(json!({"kind": "api-server-slow", "cluster": "fleet", "millis": 800, "seconds": 120}));
    let deployed = stage.deploy("iris").await;
    scene.succeeds(deployed.operation).await;
    let seconds: f64 = sqlx::query_scalar("select extract(epoch from finished_at - created_at)::float8 from operations where id = $1")
        .bind(deployed.operation.0)
        .fetch_one(&scene.control.pool)
        .await
        .unwrap();
    assert!(seconds > 3.0, "it was not slow: {seconds} s");
    assert_eq!(scene.count("select count(*) from reconcile where attempts > 0").await, 0, "slow is no failure");
    drop(slow);
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_rollout_goes_on_when_revoked_access_is_given_back(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, fleet, admin, workspace, .. } = &stage;
    let closed = Closed::new(scene, "fleet").await;
    let deployed = stage.deploy("iris").await;
    scene.says(deployed.operation, "waits for a node").await;
    scene.revoke("fleet").await;
    scene.says(deployed.operation, "The cluster does not know Slipway: its IAM role is not mapped to a Kubernetes identity.").await;
    within(20, "the cluster's page says what to do", async || clusters::get(&scene.admin, fleet.id).await.unwrap().state == ClusterState::NeedsAccess).await;
    drop(closed);
    assert_eq!(scene.operation(deployed.operation).await.state, OperationState::Running, "nothing is lost");

    let set_up = clusters::set_up_access(&scene.admin, fleet.id).await.unwrap();
    scene.succeeds(set_up.operation).await;
    scene.succeeds(deployed.operation).await;
    assert_eq!(objects_of(admin, &workspace.namespace, DeploymentId(deployed.object)).await, whole(2));
    worker.stop().await;
}
