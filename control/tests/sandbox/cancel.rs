//! People who change their mind while a step is under way: what they want last holds, and the step does not write over it.

use control::{deployments, operations};
use domain::{
    deployment::{DeploymentState, Rollback},
    ids::DeploymentId,
    operation::{OperationState, StepState},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt as _};
use sqlx::PgPool;

use crate::{
    nodes::Closed,
    place::objects_of,
    process::Worker,
    scene::{Scene, within},
    stage::Stage,
};

/// Waits until the deployment was looked at once more, and left as it is.
async fn rests(scene: &Scene) {
    let resting = async || scene.count("select count(*) from reconcile where kind = 'deployment' and lease_owner is null and not_before > now() + interval '1 minute'").await == 1;
    within(20, "it is left as it is", resting).await;
}

/// The states of the operation's steps.
async fn steps(scene: &Scene, id: domain::ids::OperationId) -> Vec<StepState> {
    scene.operation(id).await.steps.into_iter().map(|step| step.state).collect()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_cancelled_while_it_is_applied_is_not_applied_to_its_end(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    worker.stop().await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let deployed = stage.deploy("iris").await;
    let id = DeploymentId(deployed.object);
    let mut worker = Worker::held_at(scene, "deployment.half_applied");
    worker.stands().await;
    let cancelled = operations::cancel(&place.deployer, deployed.operation).await.unwrap();
    assert_eq!(cancelled.state, OperationState::Cancelled);
    let before = steps(scene, deployed.operation).await;
    worker.release().await;
    rests(scene).await;
    worker.stop().await;

    let there = objects_of(admin, &workspace.namespace, id).await;
    assert!(there.contains_key("Service") && !there.contains_key("Deployment") && !there.contains_key("Pod"), "{there:?}");
    let shown = deployments::get(&place.deployer, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.ready_replicas), (DeploymentState::Held, 0));
    assert_eq!(scene.operation(deployed.operation).await.state, OperationState::Cancelled);
    assert_eq!(steps(scene, deployed.operation).await, before, "its steps stay as they were");
    let recorded = [("deployment.create", "accepted"), ("deployment.cancel", "done")];
    assert_eq!(scene.recorded(id.0).await, recorded.map(|(action, outcome)| (action.to_owned(), outcome.to_owned())));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_cancelled_after_it_was_applied_is_held_until_somebody_wants_something_else(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    worker.stop().await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let deployed = stage.deploy("iris").await;
    let id = DeploymentId(deployed.object);
    let mut worker = Worker::held_at(scene, "deployment.applied");
    worker.stands().await;
    operations::cancel(&place.deployer, deployed.operation).await.unwrap();
    let before = steps(scene, deployed.operation).await;
    worker.release().await;
    rests(scene).await;
    assert_eq!(deployments::get(&place.deployer, id).await.unwrap().summary.state, DeploymentState::Held);
    assert_eq!(scene.operation(deployed.operation).await.state, OperationState::Cancelled);
    assert_eq!(steps(scene, deployed.operation).await, before, "its steps stay as they were");
    assert!(objects_of(admin, &workspace.namespace, id).await.contains_key("Deployment"), "what was written stays");

    let changed = place.renew(id).await;
    scene.succeeds(changed.operation).await;
    worker.stop().await;
    let shown = deployments::get(&place.deployer, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.revision, shown.summary.ready_replicas), (DeploymentState::Live, 2, 2));
    assert_eq!(scene.operation(deployed.operation).await.state, OperationState::Cancelled);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_held_in_the_middle_goes_no_further_and_what_answered_goes_on(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    let deployment = async || Api::<Deployment>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap();
    let paused = async || deployment().await.spec.unwrap().paused == Some(true);
    let ready = async || deployment().await.status.unwrap().ready_replicas;
    // The new replica comes up only after the hold.
    let closed = Closed::new(scene, "fleet").await;
    let changed = place.renew(id).await;
    scene.says(changed.operation, "waits for a node").await;
    operations::cancel(&place.deployer, changed.operation).await.unwrap();
    within(10, "the rollout is paused", paused).await;
    let record = scene.sandbox.record("fleet", &workspace.namespace);
    let pause = record.iter().find(|event| event["requestURI"].as_str().is_some_and(|uri| uri.contains("fieldManager=slipway-hold"))).expect("the cluster's record has it");
    assert_eq!(pause["impersonatedUser"]["extra"]["slipway-user"][0], place.deployer.actor().kubernetes_name(), "{pause}");
    rests(scene).await;
    drop(closed);
    within(30, "the new replica is ready beside the earlier ones", async || ready().await == Some(3)).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let there = deployment().await;
    assert_eq!(there.status.unwrap().updated_replicas, Some(1), "no more than was begun");
    let shown = deployments::get(&place.deployer, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.ready_replicas), (DeploymentState::Held, 3));
    assert_eq!(shown.pods.iter().filter(|pod| pod.revision == 1 && pod.ready).count(), 2, "the earlier revision goes on answering");

    let rolled_back = deployments::roll_back(&place.deployer, id, &Rollback { revision: 1, reason: None }).await.unwrap();
    scene.succeeds(rolled_back.operation).await;
    worker.stop().await;
    assert!(!paused().await, "the next revision takes the pause away");
    let shown = deployments::get(&place.deployer, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.revision, shown.summary.ready_replicas), (DeploymentState::Live, 3, 2));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_rolled_back_while_it_is_applied_ends_as_it_was_before(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    worker.stop().await;
    let deployment = async || Api::<Deployment>::namespaced(admin.clone(), &workspace.namespace).get("iris").await.unwrap();
    let image = |deployment: &Deployment| deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0].image.clone().unwrap();
    let first = image(&deployment().await);

    let changed = place.renew(id).await;
    let mut worker = Worker::held_at(scene, "deployment.applied");
    worker.stands().await;
    assert_ne!(image(&deployment().await), first, "the second revision was applied");
    let rolled_back = deployments::roll_back(&place.deployer, id, &Rollback { revision: 1, reason: None }).await.unwrap();
    worker.release().await;
    scene.succeeds(rolled_back.operation).await;
    worker.stop().await;

    let there = deployment().await;
    let generation = there.annotations().iter().find(|(key, _)| key.ends_with("/generation")).map(|(_, value)| value.as_str());
    assert_eq!((image(&there), generation), (first, Some("3")));
    let shown = deployments::get(&place.deployer, id).await.unwrap();
    assert_eq!((shown.summary.state, shown.summary.revision, shown.summary.ready_replicas), (DeploymentState::Live, 3, 2));
    assert_eq!(scene.operation(changed.operation).await.state, OperationState::Superseded);
    let outcomes = scene.recorded(id.0).await;
    let outcomes: Vec<(&str, &str)> = outcomes.iter().map(|(action, outcome)| (action.as_str(), outcome.as_str())).collect();
    assert_eq!(outcomes[2..], [("deployment.change", "accepted"), ("deployment.roll_back", "accepted"), ("deployment.roll_back", "done")]);
}
