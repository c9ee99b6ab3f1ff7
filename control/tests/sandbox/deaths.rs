//! Workers that are killed, as by `kill -9`, in the middle of every step. Whoever follows comes to the same end.

use control::{clusters, deployments, workspaces};
use domain::{
    cluster::ClusterState,
    deployment::DeploymentState,
    ids::{DeploymentId, WorkspaceId},
    operation::{OperationState, StepState},
    workspace::Adopt,
};
use k8s_openapi::api::{
    core::v1::{LimitRange, Namespace, ResourceQuota, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::{
    place::{Place, objects_of, unique, whole},
    process::Worker,
    scene::{Scene, object},
    stage::Stage,
};

/// Starts a worker, and kills it where it stands at the point with a claim in its hand.
async fn dies_at(scene: &Scene, point: &str) {
    let mut worker = Worker::held_at(scene, point);
    worker.stands().await;
    worker.kill().await;
    let held = scene.count("select count(*) from reconcile where lease_owner is not null and lease_until > now()").await;
    assert!(held > 0, "nobody held anything at {point}");
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_rollout_or_deletion_whose_worker_is_killed_anywhere_ends_as_it_would_have(pool: PgPool) {
    let (stage, worker) = Stage::new(Scene::deadly(pool).await).await;
    worker.stop().await;
    let Stage { scene, place, admin, workspace, .. } = &stage;

    // While the claims of the dead end, others die over what was deployed meanwhile.
    let mut started = Vec::new();
    for point in ["deployment.intended", "deployment.half_applied", "deployment.applied", "deployment.recorded"] {
        started.push(stage.deploy(&format!("iris-{}", started.len())).await);
        dies_at(scene, point).await;
    }
    let worker = Worker::start(scene);
    for deployed in &started {
        scene.succeeds(deployed.operation).await;
    }
    worker.stop().await;
    for deployed in &started {
        let id = DeploymentId(deployed.object);
        let deployment = deployments::get(&place.deployer, id).await.unwrap();
        assert_eq!((deployment.summary.state, deployment.summary.ready_replicas), (DeploymentState::Live, 2));
        assert_eq!(objects_of(admin, &workspace.namespace, id).await, whole(2));
        assert_eq!(deployments::revisions(&place.deployer, id).await.unwrap().len(), 1);
        assert_eq!(scene.operations_of(id.0).await, pairs(&[("deploy", "succeeded")]));
        assert_eq!(scene.recorded(id.0).await, pairs(&[("deployment.create", "accepted"), ("deployment.create", "done")]));
    }

    // A change dies between the parts of the first and the second revision.
    let changed = place.renew(DeploymentId(started[0].object)).await;
    dies_at(scene, "deployment.half_applied").await;
    let mut removed = Vec::new();
    for (deployed, point) in started[1..].iter().zip(["deployment.half_deleted", "deployment.deleted"]) {
        removed.push(deployments::delete(&place.owner, DeploymentId(deployed.object)).await.unwrap());
        dies_at(scene, point).await;
    }
    let worker = Worker::start(scene);
    scene.succeeds(changed.operation).await;
    for deletion in &removed {
        scene.succeeds(deletion.operation).await;
    }
    worker.stop().await;
    let id = DeploymentId(changed.object);
    assert_eq!(deployments::get(&place.deployer, id).await.unwrap().summary.revision, 2);
    let mut renewed = whole(2);
    renewed.insert("ReplicaSet".into(), 2);
    assert_eq!(objects_of(admin, &workspace.namespace, id).await, renewed, "the first revision's is kept, without pods");
    assert_eq!(scene.operations_of(id.0).await, pairs(&[("deploy", "succeeded"), ("change", "succeeded")]));
    for deletion in &removed {
        let id = DeploymentId(deletion.object);
        assert!(objects_of(admin, &workspace.namespace, id).await.is_empty());
        assert!(deployments::get(&place.deployer, id).await.unwrap_err().is(domain::Code::NotFound));
        assert_eq!(scene.operations_of(id.0).await, pairs(&[("deploy", "succeeded"), ("delete", "succeeded")]));
        assert_eq!(scene.recorded(id.0).await[2..], pairs(&[("deployment.delete", "accepted"), ("deployment.delete", "done")]));
    }
    assert_eq!(scene.count("select count(*) from inventory i where object_id not in (select id from deployments union select id from workspaces)").await, 0);
    assert_eq!(scene.count("select count(*) from reconcile where kind = 'deployment'").await, 2);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_workspace_whose_worker_is_killed_anywhere_ends_as_it_would_have(pool: PgPool) {
    let scene = Scene::deadly(pool).await;
    let place = Place::new(&scene).await;
    scene.connect("fleet").await;
    let admin = scene.sandbox.admin("fleet").await;
    let mut made = Vec::new();
    for point in ["workspace.intended", "workspace.half_applied", "workspace.applied"] {
        made.push(place.ask_for_workspace(&scene, "fleet", Adopt::default()).await);
        dies_at(&scene, point).await;
    }
    // A namespace that was there before is taken over.
    let theirs = unique("theirs");
    let namespaces = Api::<Namespace>::all(admin.clone());
    namespaces.create(&PostParams::default(), &object(json!({"metadata": {"name": theirs, "labels": {"made-by": "hand"}}}))).await.unwrap();
    let adopted = place.ask_for_namespace(&scene, "fleet", &theirs, Adopt::Existing).await;
    dies_at(&scene, "workspace.adopting").await;

    let worker = Worker::start(&scene);
    for asked in made.iter().chain([&adopted]) {
        scene.succeeds(asked.operation).await;
    }
    worker.stop().await;
    for asked in made.iter().chain([&adopted]) {
        let here = ListParams::default();
        assert_eq!(Api::<ResourceQuota>::namespaced(admin.clone(), &asked.namespace).list(&here).await.unwrap().items.len(), 1);
        assert_eq!(Api::<LimitRange>::namespaced(admin.clone(), &asked.namespace).list(&here).await.unwrap().items.len(), 1);
        assert_eq!(Api::<RoleBinding>::namespaced(admin.clone(), &asked.namespace).list(&here).await.unwrap().items.len(), 3);
        assert!(!Api::<NetworkPolicy>::namespaced(admin.clone(), &asked.namespace).list(&here).await.unwrap().items.is_empty());
        assert_eq!(workspaces::get(&place.owner, asked.id).await.unwrap().adopted, asked.namespace == theirs);
        assert_eq!(scene.operations_of(asked.id.0).await, pairs(&[("create", "succeeded")]));
        assert_eq!(scene.recorded(asked.id.0).await, pairs(&[("workspace.create", "accepted"), ("workspace.create", "done")]));
    }
    let accounts = Api::<ServiceAccount>::namespaced(admin.clone(), "slipway-access");
    let of_team = async || accounts.list(&ListParams::default()).await.unwrap().items.iter().filter(|account| account.name_any().starts_with(&place.team.to_string())).count();
    assert_eq!(of_team().await, 3);

    let mut deletions = vec![workspaces::delete(&scene.admin, made[0].id).await.unwrap()];
    dies_at(&scene, "workspace.removed").await;
    deletions.push(workspaces::delete(&scene.admin, adopted.id).await.unwrap());
    dies_at(&scene, "workspace.released").await;
    deletions.push(workspaces::delete(&scene.admin, made[1].id).await.unwrap());
    deletions.push(workspaces::delete(&scene.admin, made[2].id).await.unwrap());
    let worker = Worker::start(&scene);
    for deletion in &deletions {
        scene.succeeds(deletion.operation).await;
        let id = WorkspaceId(deletion.object);
        assert!(workspaces::get(&scene.admin, id).await.unwrap_err().is(domain::Code::NotFound));
        assert_eq!(scene.operations_of(id.0).await, pairs(&[("create", "succeeded"), ("delete", "succeeded")]));
        assert_eq!(scene.recorded(id.0).await[2..], pairs(&[("workspace.delete", "accepted"), ("workspace.delete", "done")]));
    }
    worker.stop().await;
    for asked in &made {
        assert!(namespaces.get_opt(&asked.namespace).await.unwrap().is_none(), "{} is left", asked.namespace);
    }
    let released = namespaces.get(&theirs).await.expect("it was there before, and stays");
    assert_eq!(released.labels().get("made-by").map(String::as_str), Some("hand"));
    assert!(!released.labels().keys().chain(released.annotations().keys()).any(|key| key.contains("slipway")), "{released:?}");
    assert!(Api::<RoleBinding>::namespaced(admin.clone(), &theirs).list(&ListParams::default()).await.unwrap().items.is_empty());
    assert_eq!(of_team().await, 0, "the team has nothing there any more");
    assert_eq!(scene.count("select count(*) from inventory").await, 0);
    namespaces.delete(&theirs, &kube::api::DeleteParams::default()).await.unwrap();
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_setup_whose_worker_is_killed_anywhere_leaves_no_admin_policy_behind(pool: PgPool) {
    let scene = Scene::deadly(pool).await;
    let cluster = scene.stranger("fleet").await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    for point in ["cluster.entry_made", "cluster.borrowing", "cluster.borrowed", "cluster.applied", "cluster.given_back"] {
        dies_at(&scene, point).await;
    }
    let worker = Worker::start(&scene);
    scene.succeeds(started.operation).await;
    worker.stop().await;
    let operation = scene.operation(started.operation).await;
    assert_eq!(operation.state, OperationState::Succeeded);
    assert!(operation.steps.iter().all(|step| step.state == StepState::Done), "{operation:#?}");
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    assert_eq!(scene.count("select count(*) from clusters where admin_policy_borrowed_at is not null").await, 0);
    assert_eq!(clusters::get(&scene.admin, cluster.id).await.unwrap().state, ClusterState::Connected);
    let outcomes = scene.recorded(cluster.id.0).await.into_iter().filter(|(action, _)| action == "cluster.set_up_access").collect::<Vec<_>>();
    assert_eq!(outcomes, pairs(&[("cluster.set_up_access", "accepted"), ("cluster.set_up_access", "done")]));
}
