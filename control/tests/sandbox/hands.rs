//! Somebody who changes by hand what Slipway made, and the way back for whoever has no kubectl.

use control::deployments;
use domain::deployment::DeploymentChange;
use k8s_openapi::api::apps::v1::Deployment;
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
