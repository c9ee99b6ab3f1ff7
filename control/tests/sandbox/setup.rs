//! Finding, attaching, and setting up access with one click.

use std::time::Duration;

use control::clusters;
use domain::{
    Code,
    cluster::ClusterState,
    operation::{OperationState, StepState},
};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use serde_json::json;
use sqlx::PgPool;

use crate::scene::Scene;

/// Looks until Slipway has borrowed the admin policy.
async fn until_admin(scene: &Scene, cluster: &str) {
    for _ in 0..20 {
        scene.look(None).await;
        if scene.is_admin(cluster).await {
            return;
        }
    }
    panic!("the admin policy was not borrowed");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_cluster_is_found_attached_set_up_and_detached(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let found = clusters::found(&scene.admin).await.unwrap();
    assert!(found.unseen.is_empty(), "{:?}", found.unseen);
    assert!(found.clusters.iter().any(|cluster| cluster.eks_name == "fleet" && cluster.attached.is_none()));

    let cluster = scene.attach("fleet").await;
    assert!(clusters::found(&scene.admin).await.unwrap().clusters.iter().any(|found| found.attached == Some(cluster.id)));
    let stranger = scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    assert!(stranger.state_raw.is_some() || stranger.access.iter().any(|check| !check.allowed), "{stranger:?}");
    let help = clusters::access_help(&scene.admin, cluster.id).await.unwrap();
    assert_eq!(Some(help.principal_arn.as_str()), scene.access.role_arn.as_deref());
    assert!(help.one_click, "{help:?}");

    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    assert!(clusters::set_up_access(&scene.admin, cluster.id).await.unwrap_err().is(Code::Conflict));
    scene.over(started.operation).await;
    let connected = clusters::get(&scene.admin, cluster.id).await.unwrap();
    assert_eq!(connected.state, ClusterState::Connected);
    assert!(connected.access.iter().all(|check| check.allowed), "{connected:?}");
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    assert!(operation.steps.iter().all(|step| step.state == StepState::Done), "{operation:?}");
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    assert!(connected.kubernetes_version.as_deref().is_some_and(|version| version.starts_with("1.")), "{connected:?}");
    assert_eq!(connected.enforces_network_policies, Some(false));

    clusters::detach(&scene.admin, cluster.id).await.unwrap();
    scene.look(None).await;
    assert!(clusters::get(&scene.admin, cluster.id).await.unwrap_err().is(Code::NotFound));
    let roles = Api::<ClusterRole>::all(scene.sandbox.admin("fleet").await);
    assert!(roles.get_opt("slipway-owner").await.unwrap().is_some(), "detaching touches nothing");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_worker_that_dies_anywhere_leaves_no_admin_policy_behind(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    // Each life of the worker is a little longer than the one before, so that it dies in every step.
    for life in (5..400).step_by(9) {
        scene.look(Some(Duration::from_millis(life))).await;
    }
    scene.over(started.operation).await;
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    let noted: bool = sqlx::query_scalar("select admin_policy_borrowed_at is not null from clusters").fetch_one(&scene.control.pool).await.unwrap();
    assert!(!noted);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_admin_who_loses_the_role_in_the_middle_stops_the_setup(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    until_admin(&scene, "fleet").await;
    sqlx::query("update users set platform_role = null").execute(&scene.control.pool).await.unwrap();
    for _ in 0..20 {
        scene.look(None).await;
    }
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!((operation.state, operation.failure.map(|failure| failure.code)), (OperationState::Failed, Some("not_allowed_any_more".into())));
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_aws_that_throttles_or_loses_answers_delays_a_setup_only(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    let lost = scene.sandbox.strike(json!({"kind": "aws-answer-lost", "action": "CreateAccessEntry", "times": 1}));
    let lost_too = scene.sandbox.strike(json!({"kind": "aws-answer-lost", "action": "AssociateAccessPolicy", "times": 2}));
    let throttled = scene.sandbox.strike(json!({"kind": "aws-throttle", "service": "eks", "action": "DisassociateAccessPolicy", "times": 5}));
    scene.set_up(cluster.id).await;
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    drop((lost, lost_too, throttled));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_cluster_that_turns_read_only_stops_its_setup_until_an_admin_has_decided(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    until_admin(&scene, "fleet").await;
    // As an hour later: thinking it over takes longer than a setup may.
    sqlx::query("update clusters set read_only_since = now() - interval '1 hour'").execute(&scene.control.pool).await.unwrap();
    sqlx::query("update operations set created_at = created_at - interval '1 hour'").execute(&scene.control.pool).await.unwrap();
    for _ in 0..10 {
        scene.look(None).await;
    }
    let standing = scene.operation(started.operation).await;
    assert_eq!(standing.state, OperationState::Running, "{standing:#?}");
    assert!(standing.steps.iter().any(|step| step.detail.as_deref().is_some_and(|said| said.contains("until a platform admin has decided"))), "{standing:#?}");
    assert!(!scene.is_admin("fleet").await, "nobody is an admin while an admin thinks it over");
    let roles = Api::<ClusterRole>::all(scene.sandbox.admin("fleet").await);
    assert!(roles.get_opt("slipway").await.unwrap().is_none(), "nothing was written there");

    clusters::accept_database(&scene.admin, cluster.id).await.unwrap();
    scene.over(started.operation).await;
    let done = scene.operation(started.operation).await;
    assert_eq!(done.state, OperationState::Succeeded, "{done:#?}");
    assert!(done.steps.iter().all(|step| step.state == StepState::Done && !step.detail.as_deref().unwrap_or_default().contains("decided")), "{done:#?}");
    assert_eq!(clusters::get(&scene.admin, cluster.id).await.unwrap().state, ClusterState::Connected);
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
}
