//! Somebody who changes by hand what Slipway made, and the way back for whoever has no kubectl.

use control::deployments;
use domain::deployment::{DeploymentChange, DeploymentState};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    scene::{Scene, within},
    stage::Stage,
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_was_scaled_by_hand_is_said_then_refused_and_taken_over_at_a_persons_word(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    let there: Api<Deployment> = Api::namespaced(admin.clone(), &workspace.namespace);
    let by_hand = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    there.patch_scale("iris", &by_hand, &Patch::Merge(json!({"spec": {"replicas": 1}}))).await.unwrap();
    let says = async || deployments::get(&place.deployer, id).await.unwrap().summary.state_message;
    within(30, "it is said", async || says().await.as_deref() == Some("Somebody set 1 replica in the cluster; revision 1 wants 2.")).await;
    assert_eq!(deployments::get(&place.deployer, id).await.unwrap().scaled_to, Some(1));

    let to = |replicas, take_over| DeploymentChange { replicas: Some(replicas), take_over, ..DeploymentChange::default() };
    let refused = deployments::change(&place.deployer, id, &to(3, false)).await.unwrap();
    let failure = scene.ends(refused.operation).await.failure.unwrap();
    let remedy = failure.remedy.clone().unwrap_or_default();
    assert!(failure.code == "changed_by_others" && remedy.take_over && remedy.fields.len() == 1 && remedy.fields[0].field == ".spec.replicas", "{failure:?}");
    let taken = deployments::change(&place.deployer, id, &to(3, true)).await.unwrap();
    scene.succeeds(taken.operation).await;
    assert_eq!(there.get("iris").await.unwrap().spec.unwrap().replicas, Some(3));
    let next = deployments::change(&place.deployer, id, &to(2, false)).await.unwrap();
    scene.succeeds(next.operation).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_else_was_changed_by_hand_is_said_and_taken_over_whole(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    let there: Api<Deployment> = Api::namespaced(admin.clone(), &workspace.namespace);
    let services: Api<Service> = Api::namespaced(admin.clone(), &workspace.namespace);
    let by_hand = |manager: &str| PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let seen = async || deployments::get(&place.deployer, id).await.unwrap();
    let says = async |text: &str| {
        within(30, text, async || {
            let seen = seen().await;
            seen.summary.state == DeploymentState::Degraded && seen.summary.state_message.unwrap_or_default().contains(text)
        })
        .await;
    };
    let take_over = async || {
        let taken = deployments::change(&place.deployer, id, &DeploymentChange { take_over: true, ..DeploymentChange::default() }).await.unwrap();
        scene.succeeds(taken.operation).await;
        within(30, "it is whole again", async || seen().await.summary.state == DeploymentState::Live).await;
        assert!(seen().await.others.is_empty(), "nothing of it is left");
    };
    let container = async || there.get("iris").await.unwrap().spec.unwrap().template.spec.unwrap().containers.remove(0);
    let made = container().await;

    let swapped = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "image": "docker.io/evil/miner:latest", "env": [{"name": "EVIL", "value": "1"}]}]}}}});
    there.patch("iris", &by_hand("kubectl-set"), &Patch::Strategic(swapped)).await.unwrap();
    says(r#".image of Deployment iris (set by "kubectl-set" using apps/v1)"#).await;
    assert!(seen().await.others.iter().any(|owned| owned.field.ends_with(r#".env[name="EVIL"]"#)), "{:?}", seen().await.others);
    take_over().await;
    let now = container().await;
    assert_eq!((now.image, now.env), (made.image, made.env));

    services.patch("iris", &by_hand("kubectl-edit"), &Patch::Merge(json!({"spec": {"selector": {"canary": "yes"}}}))).await.unwrap();
    says(r#".spec.selector of Service iris (set by "kubectl-edit" using v1)"#).await;
    take_over().await;
    assert!(!services.get("iris").await.unwrap().spec.unwrap().selector.unwrap().contains_key("canary"));

    let unprobed = json!({"spec": {"template": {"spec": {"containers": [{"name": "model", "readinessProbe": null}]}}}});
    there.patch("iris", &by_hand("kubectl-patch"), &Patch::Strategic(unprobed)).await.unwrap();
    says(r#".readinessProbe.httpGet.path of Deployment iris (taken away)"#).await;
    take_over().await;
    assert_eq!(container().await.readiness_probe, made.readiness_probe);

    there.patch("iris", &by_hand("kubectl-rollout"), &Patch::Merge(json!({"spec": {"paused": true}}))).await.unwrap();
    let stuck = deployments::change(&place.deployer, id, &DeploymentChange { replicas: Some(1), ..DeploymentChange::default() }).await.unwrap();
    let failure = scene.ends(stuck.operation).await.failure.unwrap();
    assert!(failure.code == "changed_by_others" && failure.cause.contains("paused in the cluster by \"kubectl-rollout\""), "{failure:?}");
    take_over().await;
    assert_eq!(there.get("iris").await.unwrap().spec.unwrap().paused, None);
    worker.stop().await;
}
