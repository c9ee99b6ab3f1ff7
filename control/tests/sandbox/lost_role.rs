//! Somebody who loses the role in the middle of what they started.

use control::{deployments, teams};
use domain::{access::TeamRole, deployment::DeploymentState, ids::DeploymentId, operation::OperationState, team::MemberChange};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{Api, ResourceExt as _};
use sqlx::PgPool;

use crate::{
    nodes::Closed,
    place::{Place, objects_of},
    process::Worker,
    scene::{Scene, within},
    stage::Stage,
};

async fn becomes_a_viewer(scene: &Scene, place: &Place) {
    teams::set_member(&scene.admin, place.team, &MemberChange { email: "dora@example.com".into(), role: TeamRole::Viewer }).await.unwrap();
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_deployer_who_loses_the_role_half_way_stops_what_they_started(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::deadly(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    worker.stop().await;

    // The Service is of the second revision, the Deployment still of the first.
    let changed = place.renew(id).await;
    let mut worker = Worker::held_at(scene, "deployment.half_applied");
    worker.stands().await;
    becomes_a_viewer(scene, place).await;
    worker.kill().await;
    let worker = Worker::start(scene);
    let stopped = scene.ends(changed.operation).await;
    worker.stop().await;
    let failure = stopped.failure.expect("a cause");
    assert_eq!((stopped.state, failure.code.as_str()), (OperationState::Failed, "right_lost"));
    assert_eq!(failure.cause, "dora may not deploy in forecasting any more, so this was stopped where it was. Revision 1 still serves.");
    let generation = |annotations: &std::collections::BTreeMap<String, String>| annotations.iter().find(|(key, _)| key.ends_with("/generation")).map(|(_, value)| value.clone());
    let deployment = Api::<Deployment>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap();
    let service = Api::<Service>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap();
    assert_eq!((generation(deployment.annotations()), generation(service.annotations())), (Some("1".into()), Some("2".into())), "nothing more was applied");
    let outcomes = scene.recorded(id.0).await;
    assert_eq!(outcomes.last().map(|(action, outcome)| (action.as_str(), outcome.as_str())), Some(("deployment.change", "failed")));
    let shown = deployments::get(&place.owner, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.ready_replicas), (DeploymentState::Failed, 2), "the first revision serves");
    assert_eq!(objects_of(admin, &workspace.namespace, id).await["ReplicaSet"], 1);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_owner_who_loses_the_role_half_way_stops_the_deletion(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::deadly(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    worker.stop().await;
    teams::set_member(&scene.admin, place.team, &MemberChange { email: "dora@example.com".into(), role: TeamRole::Owner }).await.unwrap();

    // The Deployment is deleted, the others are not.
    let deletion = deployments::delete(&place.deployer, id).await.unwrap();
    let mut worker = Worker::held_at(scene, "deployment.half_deleted");
    worker.stands().await;
    becomes_a_viewer(scene, place).await;
    worker.kill().await;
    let worker = Worker::start(scene);
    let stopped = scene.ends(deletion.operation).await;
    assert_eq!((stopped.state, stopped.failure.map(|failure| failure.code)), (OperationState::Failed, Some("right_lost".into())));
    sqlx::query("update reconcile set not_before = now() where object_id = $1").bind(id.0).execute(&scene.control.pool).await.unwrap();
    let rests = async || scene.count("select count(*) from reconcile where kind = 'deployment' and lease_owner is null and not_before > now() + interval '2 minutes'").await == 1;
    within(20, "it is looked at once more", rests).await;
    let there = objects_of(admin, &workspace.namespace, id).await;
    assert!(there.contains_key("Service") && there.contains_key("ServiceAccount") && there.contains_key("PodDisruptionBudget"), "nothing more was deleted: {there:?}");
    assert_eq!(deployments::get(&place.owner, id).await.unwrap().summary.state, DeploymentState::Deleting);

    let again = deployments::delete(&place.owner, id).await.unwrap();
    scene.succeeds(again.operation).await;
    worker.stop().await;
    assert!(objects_of(admin, &workspace.namespace, id).await.is_empty());
    let recorded = scene.recorded(id.0).await;
    let deletions: Vec<&str> = recorded.iter().filter(|(action, _)| action == "deployment.delete").map(|(_, outcome)| outcome.as_str()).collect();
    assert_eq!(deletions, ["accepted", "failed", "accepted", "done"]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_deployer_who_loses_the_role_while_replicas_start_stops_the_rollout(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let closed = Closed::new(scene, "fleet").await;
    let deployed = stage.deploy("iris").await;
    scene.says(deployed.operation, "waits for a node").await;
    let before = Api::<Deployment>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap().resource_version();
    becomes_a_viewer(scene, place).await;
    let stopped = scene.ends(deployed.operation).await;
    assert_eq!(stopped.failure.map(|failure| failure.code), Some("right_lost".into()));
    let after = Api::<Deployment>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap().resource_version();
    assert_eq!(before, after, "it was left as it was");
    // What is there is not taken away either: once there is room, it runs, and the page says so.
    drop(closed);
    within(20, "it comes up", async || deployments::get(&place.owner, DeploymentId(deployed.object)).await.unwrap().summary.state == DeploymentState::Live).await;
    assert_eq!(scene.operation(deployed.operation).await.state, OperationState::Failed);
    worker.stop().await;
}
