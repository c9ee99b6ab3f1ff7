//! What others put into a workspace's namespace.

use control::{deployments, workspaces};
use domain::{
    Code,
    deployment::DeploymentState,
    ids::{DeploymentId, WorkspaceId},
    operation::OperationState,
    workspace::WorkspaceState,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::StatefulSet,
        batch::v1::CronJob,
        core::v1::{PersistentVolumeClaim, Service},
    },
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    scene::{Scene, object, within},
    stage::Stage,
};

async fn puts<K>(admin: &Client, namespace: &str, value: Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    Api::<K>::namespaced(admin.clone(), namespace).create(&PostParams::default(), &object(value)).await.unwrap();
}

async fn takes<K>(admin: &Client, namespace: &str, name: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + std::fmt::Debug,
{
    let api = Api::<K>::namespaced(admin.clone(), namespace);
    api.delete(name, &DeleteParams::default()).await.unwrap();
    within(20, "it is gone", async || api.get_opt(name).await.unwrap().is_none()).await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_namespace_that_holds_anything_of_others_stays(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let namespace = &workspace.namespace;
    let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "it", "image": "it"}]}});
    puts::<PersistentVolumeClaim>(
        admin,
        namespace,
        json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    )
    .await;
    puts::<CronJob>(admin, namespace, json!({"metadata": {"name": "nightly"}, "spec": {"schedule": "0 0 * * *", "suspend": true, "jobTemplate": {"spec": {"template": pod}}}}))
        .await;
    let always = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "it", "image": "it"}]}});
    puts::<StatefulSet>(
        admin,
        namespace,
        json!({"metadata": {"name": "store"}, "spec": {"replicas": 0, "serviceName": "store", "selector": {"matchLabels": {"a": "b"}}, "template": always}}),
    )
    .await;
    let other = json!({"name": "theirs", "labels": {"app.kubernetes.io/managed-by": "slipway"}, "annotations": {"slipway.dev/installation": uuid::Uuid::now_v7()}});
    puts::<Service>(admin, namespace, json!({"metadata": other, "spec": {"ports": [{"port": 80}]}})).await;

    let deletion = workspaces::delete(&scene.admin, workspace.id).await.unwrap();
    let refused = scene.ends(deletion.operation).await;
    let failure = refused.failure.expect("a cause");
    assert_eq!((refused.state, failure.code.as_str()), (OperationState::Failed, "namespace_in_use"));
    assert!(failure.brief().ends_with("did not make: PersistentVolumeClaim data, StatefulSet store, CronJob nightly and 1 more."), "{}", failure.cause);
    assert_eq!(failure.raw.as_deref(), Some("PersistentVolumeClaim data\nStatefulSet store\nCronJob nightly\nService theirs"));
    within(20, "it is as it was", async || workspaces::get(&scene.admin, workspace.id).await.unwrap().state == WorkspaceState::Ready).await;
    assert_eq!(scene.operations_of(workspace.id.0).await.last().map(|(verb, state)| (verb.as_str(), state.as_str())), Some(("keep", "succeeded")));
    let deployed = stage.live("iris").await;
    let deletion = deployments::delete(&place.owner, deployed).await.unwrap();
    scene.succeeds(deletion.operation).await;

    takes::<PersistentVolumeClaim>(admin, namespace, "data").await;
    takes::<CronJob>(admin, namespace, "nightly").await;
    takes::<StatefulSet>(admin, namespace, "store").await;
    takes::<Service>(admin, namespace, "theirs").await;
    let again = workspaces::delete(&scene.admin, workspace.id).await.unwrap();
    scene.succeeds(again.operation).await;
    worker.stop().await;
    assert!(workspaces::get(&scene.admin, WorkspaceId(again.object)).await.unwrap_err().is(Code::NotFound));
}

/// Has the worker look at each of the deployment's objects.
async fn verifies(scene: &Scene, id: DeploymentId) {
    sqlx::query("update inventory set seen_at = now() - interval '1 hour' where object_id = $1").bind(id.0).execute(&scene.control.pool).await.unwrap();
    sqlx::query("update reconcile set not_before = now() where object_id = $1").bind(id.0).execute(&scene.control.pool).await.unwrap();
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_deployment_whose_service_somebody_took_over_says_so_until_it_is_healed(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let namespace = &workspace.namespace;
    let id = stage.live("iris").await;
    let stands = async || {
        let summary = deployments::get(&place.owner, id).await.unwrap().summary;
        (summary.state, summary.state_message)
    };
    let theirs = json!({"metadata": {"labels": {"slipway.dev/deployment": null, "app.kubernetes.io/managed-by": null}, "annotations": null}});
    Api::<Service>::namespaced(admin.clone(), namespace).patch("iris", &PatchParams::default(), &Patch::Merge(theirs)).await.unwrap();
    within(20, "it is degraded", async || stands().await.0 == DeploymentState::Degraded).await;
    let said = stands().await.1.expect("a cause");
    assert!(said.starts_with(&format!("There is a Service iris in {namespace} already that Slipway did not make.")), "{said}");

    takes::<Service>(admin, namespace, "iris").await;
    verifies(scene, id).await;
    within(20, "it is live again", async || stands().await == (DeploymentState::Live, None)).await;
    worker.stop().await;
    assert_eq!(scene.recorded(id.0).await.last().map(|(action, _)| action.as_str()), Some("deployment.heal"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_service_that_somebody_deletes_is_missed_at_once(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, admin, workspace, .. } = &stage;
    let id = stage.live("iris").await;
    let services = Api::<Service>::namespaced(admin.clone(), &workspace.namespace);
    let before = services.get("iris").await.unwrap().metadata.uid;
    services.delete("iris", &DeleteParams::default()).await.unwrap();
    within(10, "there is another one", async || services.get_opt("iris").await.unwrap().is_some_and(|service| service.metadata.uid != before)).await;
    let healed = async || scene.recorded(id.0).await.last().is_some_and(|(action, _)| action == "deployment.heal");
    within(10, "it is on the record", healed).await;
    worker.stop().await;
}
