//! What is seen of a cluster, and what happens when it is down.

use std::time::Duration;

use control::{clusters, observed};
use domain::{cluster::ClusterState, page::PageQuery};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{Api, api::DeleteParams};
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::scene::Scene;

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn nodes_are_seen_and_whoever_takes_over_goes_on(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    scene.set_up(cluster.id).await;
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let watching = tokio::spawn(observed::run(scene.control.clone(), first.clone()));
    let nodes = async || clusters::nodes(&scene.admin, cluster.id, &PageQuery::default()).await.unwrap().items;
    let seen = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let seen = nodes().await;
            if !seen.is_empty() {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("nodes within 30 s");
    assert!(seen.iter().all(|node| node.zone.is_some() && node.allocatable.cpu_millis > 0), "{seen:?}");
    assert!(seen.iter().any(|node| node.allocatable.gpus > 0), "{seen:?}");
    // It stops: the other one takes the lease at once, since it was given back.
    first.cancel();
    watching.await.unwrap().unwrap();
    sqlx::query("delete from observed_nodes").execute(&scene.control.pool).await.unwrap();
    let watching = tokio::spawn(observed::run(scene.control.clone(), second.clone()));
    tokio::time::timeout(Duration::from_secs(15), async {
        while nodes().await.len() != seen.len() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("the other one goes on");
    second.cancel();
    watching.await.unwrap().unwrap();
    let epoch: i64 = sqlx::query_scalar("select epoch from leases where name like 'cluster:%'").fetch_one(&scene.control.pool).await.unwrap();
    assert_eq!(epoch, 2);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_cluster_that_is_down_or_has_revoked_slipway_says_so_and_heals_by_itself(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.stranger("fleet").await;
    scene.set_up(cluster.id).await;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(observed::run(scene.control.clone(), stop.clone()));
    let synced = async || sqlx::query_scalar::<_, i64>("select count(*) from observed_nodes").fetch_one(&scene.control.pool).await.unwrap();
    let within = async |what: &str, seconds: u64, reached: &dyn Fn(i64) -> bool| {
        for _ in 0..seconds * 5 {
            if reached(synced().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{what}");
    };
    within("nodes are seen", 30, &|nodes| nodes > 0).await;

    let down = scene.sandbox.strike(json!({"kind": "api-server-down", "cluster": "fleet", "seconds": 120}));
    let seen = scene.until(cluster.id, "it is down", |cluster| cluster.state == ClusterState::Unreachable).await;
    assert!(seen.state_message.is_some() && seen.state_raw.is_some(), "{seen:?}");
    assert!(seen.nodes > 0, "what was seen stays, with its age");
    sqlx::query("delete from observed_nodes").execute(&scene.control.pool).await.unwrap();
    sqlx::query("update reconcile set not_before = now() + interval '1 hour', attempts = 9").execute(&scene.control.pool).await.unwrap();
    drop(down);
    // Nobody looks at it here but its watch, which finds it up again, and has the reconciler look.
    let due = async || sqlx::query_scalar::<_, bool>("select bool_and(not_before <= now()) from reconcile").fetch_one(&scene.control.pool).await.unwrap();
    let healed = async {
        while !due().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), healed).await.expect("the watch notices");
    scene.until(cluster.id, "it is up again", |cluster| cluster.state == ClusterState::Connected).await;

    let roles = Api::<ClusterRoleBinding>::all(scene.sandbox.admin("fleet").await);
    roles.delete("slipway", &DeleteParams::default()).await.unwrap();
    let revoked = scene.until(cluster.id, "it revoked Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    assert!(revoked.access.iter().any(|check| !check.allowed), "{revoked:?}");
    scene.set_up(cluster.id).await;
    assert_eq!(clusters::get(&scene.admin, cluster.id).await.unwrap().state, ClusterState::Connected);
    stop.cancel();
    watching.await.unwrap().unwrap();
}
