//! Somebody who takes away or changes by hand what bounds a workspace, and a namespace that does not go.

use control::workspaces;
use domain::{
    ids::WorkspaceId,
    operation::{Operation, OperationState},
    workspace::WorkspaceState,
};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, ResourceQuota, ServiceAccount},
        networking::v1::NetworkPolicy,
        rbac::v1::RoleBinding,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    process::Worker,
    scene::{Scene, object, within},
    stage::Stage,
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_bounds_a_workspace_is_missed_at_once(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, admin, workspace, .. } = &stage;
    let policies: Api<NetworkPolicy> = Api::namespaced(admin.clone(), &workspace.namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(admin.clone(), &workspace.namespace);
    let policy = policies.list(&kube::api::ListParams::default()).await.unwrap().items.remove(0).metadata;
    policies.delete(policy.name.as_deref().unwrap(), &DeleteParams::default()).await.unwrap();
    bindings.delete("slipway-deployer", &DeleteParams::default()).await.unwrap();
    within(10, "there is another policy", async || policies.get_opt(policy.name.as_deref().unwrap()).await.unwrap().is_some_and(|there| there.metadata.uid != policy.uid)).await;
    within(10, "the team's deployers may deploy again", async || bindings.get_opt("slipway-deployer").await.unwrap().is_some()).await;
    within(10, "it is on the record", async || scene.recorded(workspace.id.0).await.last().is_some_and(|(action, _)| action == "workspace.heal")).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_others_set_is_told_and_repaired_at_an_admins_word(pool: PgPool) {
    let (stage, first) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let quotas: Api<ResourceQuota> = Api::namespaced(admin.clone(), &workspace.namespace);
    let bindings: Api<RoleBinding> = Api::namespaced(admin.clone(), &workspace.namespace);
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let seen = async || workspaces::get(&place.owner, workspace.id).await.unwrap();
    let pods = async || quotas.get("slipway").await.unwrap().spec.unwrap().hard.unwrap()["pods"].0.clone();
    assert!(seen().await.others.is_empty(), "{:?}", seen().await.others);
    let made = pods().await;

    quotas.patch("slipway", &by_hand, &Patch::Merge(json!({"spec": {"hard": {"pods": "9999", "count/secrets": "1"}}}))).await.unwrap();
    // Nobody makes the binding again while somebody makes it anew, with another role.
    first.stop().await;
    let mut binding = bindings.get("slipway-owner").await.unwrap();
    bindings.delete("slipway-owner", &DeleteParams::default()).await.unwrap();
    let role = std::mem::replace(&mut binding.role_ref.name, "cluster-admin".into());
    binding.metadata = ObjectMeta { name: binding.metadata.name, labels: binding.metadata.labels, annotations: binding.metadata.annotations, ..ObjectMeta::default() };
    bindings.create(&PostParams { field_manager: Some("kubectl-create".into()), ..PostParams::default() }, &binding).await.unwrap();
    let level = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    namespaces.patch(&workspace.namespace, &by_hand, &Patch::Merge(level)).await.unwrap();
    // An AWS role for whatever acts as the team's viewers.
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "slipway-access");
    let account = bindings.get("slipway-viewer").await.unwrap().subjects.unwrap().remove(0).name;
    let role_arn = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/theirs"}}});
    accounts.patch(&account, &by_hand, &Patch::Merge(role_arn)).await.unwrap();
    let worker = Worker::start(scene);
    let told = [
        ("Namespace", ".metadata.labels.pod-security.kubernetes.io/enforce"),
        ("ResourceQuota", ".spec.hard.count/secrets"),
        ("ResourceQuota", ".spec.hard.pods"),
        // Of what was made anew even the marks are others'.
        ("RoleBinding", ".metadata.annotations.slipway.dev/generation"),
        ("RoleBinding", ".metadata.annotations.slipway.dev/installation"),
        ("RoleBinding", ".roleRef"),
        ("RoleBinding", ".subjects"),
        ("ServiceAccount", ".metadata.annotations.eks.amazonaws.com/role-arn"),
    ];
    within(20, "each is told with its fields", async || {
        let others = seen().await.others;
        others.iter().map(|field| (field.kind.as_str(), field.field.as_str())).collect::<Vec<_>>() == told
    })
    .await;
    let quota = seen().await.others.swap_remove(2);
    assert_eq!((quota.wanted, quota.found.as_deref()), (Some(made.clone()), Some("9999")));
    assert!(seen().await.state == WorkspaceState::Ready && pods().await == "9999", "a heal sets nothing back");

    let repaired = workspaces::repair(&scene.admin, workspace.id).await.unwrap();
    scene.succeeds(repaired.operation).await;
    assert_eq!(pods().await, made);
    assert!(!quotas.get("slipway").await.unwrap().spec.unwrap().hard.unwrap().contains_key("count/secrets"), "what was added is gone");
    assert_eq!(bindings.get("slipway-owner").await.unwrap().role_ref.name, role);
    assert_eq!(namespaces.get(&workspace.namespace).await.unwrap().metadata.labels.unwrap()["pod-security.kubernetes.io/enforce"], "restricted");
    let annotations = accounts.get(&account).await.unwrap().metadata.annotations.unwrap();
    assert!(!annotations.contains_key("eks.amazonaws.com/role-arn") && annotations.contains_key("slipway.dev/installation"), "{annotations:?}");
    within(10, "nothing is told any more", async || seen().await.others.is_empty()).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_others_take_away_is_told_and_repaired(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, place, admin, workspace, .. } = &stage;
    let quotas: Api<ResourceQuota> = Api::namespaced(admin.clone(), &workspace.namespace);
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let seen = async || workspaces::get(&place.owner, workspace.id).await.unwrap();
    let cpu = || async { quotas.get("slipway").await.unwrap().spec.unwrap().hard.unwrap().get("requests.cpu").map(|cpu| cpu.0.clone()) };
    let level = || async { namespaces.get(&workspace.namespace).await.unwrap().metadata.labels.unwrap().get("pod-security.kubernetes.io/enforce").cloned() };
    let made = (cpu().await, level().await);
    assert!(made.0.is_some() && made.1.as_deref() == Some("restricted"), "{made:?}");

    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    quotas.patch("slipway", &by_hand, &Patch::Merge(json!({"spec": {"hard": {"requests.cpu": null}}}))).await.unwrap();
    namespaces.patch(&workspace.namespace, &by_hand, &Patch::Merge(json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": null}}}))).await.unwrap();
    let told = [("Namespace", ".metadata.labels.pod-security.kubernetes.io/enforce", None, made.1.clone()), ("ResourceQuota", ".spec.hard.requests.cpu", None, made.0.clone())];
    within(20, "each is told, with what it was", async || {
        let others = seen().await.others;
        others.iter().map(|field| (field.kind.as_str(), field.field.as_str(), field.manager.clone(), field.wanted.clone())).collect::<Vec<_>>() == told
    })
    .await;
    assert_eq!((cpu().await, level().await), (None, None), "a heal sets nothing back");
    let repaired = workspaces::repair(&scene.admin, workspace.id).await.unwrap();
    scene.succeeds(repaired.operation).await;
    assert_eq!((cpu().await, level().await), made);
    within(10, "nothing is told any more", async || seen().await.others.is_empty()).await;
    worker.stop().await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_namespace_that_is_held_says_by_what(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::new(pool).await).await;
    let Stage { scene, admin, workspace, .. } = &stage;
    let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), &workspace.namespace);
    maps.create(&PostParams::default(), &object(json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}))).await.unwrap();
    let deletion = workspaces::delete(&scene.admin, WorkspaceId(workspace.id.0)).await.unwrap();
    let operation = async || -> Operation { control::operations::get(&scene.admin, deletion.operation).await.unwrap() };
    within(30, "what holds it is said", async || {
        operation().await.steps.iter().any(|step| step.detail.as_deref().is_some_and(|detail| detail.contains("example.com/hold in 1 resource instances")))
    })
    .await;
    assert_eq!(operation().await.state, OperationState::Running);
    maps.patch("held", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    scene.succeeds(deletion.operation).await;
    worker.stop().await;
}
