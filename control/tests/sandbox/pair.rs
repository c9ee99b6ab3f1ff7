//! Two workers at once, as processes of their own, over one database.

use std::collections::BTreeMap;

use control::deployments;
use domain::{
    deployment::{DeploymentChange, DeploymentState, Rollback},
    ids::DeploymentId,
    operation::Started,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, ObjectMeta},
};
use sqlx::PgPool;

use crate::{
    place::{Place, objects_of},
    process::Worker,
    scene::{Scene, within},
};

const DEPLOYMENTS: usize = 30;

/// Notes every claim, and whether another worker's was still good.
const NOTE_CLAIMS: &str = "
    create table claims (object_id uuid, owner text, taken_from_the_living boolean);
    create function note_claim() returns trigger language plpgsql as $$ begin
        insert into claims values (new.object_id, new.lease_owner, coalesce(old.lease_until > now(), false)); return new;
    end $$;
    create trigger note_claim after update on reconcile for each row when (new.lease_epoch > old.lease_epoch) execute function note_claim();";

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn two_workers_take_every_step_of_many_rollouts_once(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let place = Place::new(&scene).await;
    scene.connect("fleet").await;
    sqlx::raw_sql(NOTE_CLAIMS).execute(&scene.control.pool).await.unwrap();
    let workers = [Worker::start(&scene), Worker::start(&scene)];
    let workspace = place.workspace(&scene, "fleet").await;
    let admin = scene.sandbox.admin("fleet").await;
    let all_end = async |what: &str| {
        within(60, what, async || scene.count("select count(*) from operations where state = 'running'").await == 0).await;
    };

    let mut deployed: Vec<Started> = Vec::new();
    for n in 0..DEPLOYMENTS {
        deployed.push(place.deploy(workspace.id, &format!("iris-{n}")).await);
    }
    let ids: Vec<DeploymentId> = deployed.iter().map(|started| DeploymentId(started.object)).collect();
    all_end("all are deployed").await;
    // The end is what the cluster itself said; the watches follow.
    for id in &ids {
        within(10, "all of it is seen", async || {
            let summary = deployments::get(&place.deployer, *id).await.unwrap().summary;
            (summary.state, summary.ready_replicas) == (DeploymentState::Live, 2)
        })
        .await;
    }

    // One third is changed, one is changed and rolled back at once, one is deleted while it is being changed.
    let (mut changed, mut superseded) = (Vec::new(), 0);
    for (n, id) in ids.iter().enumerate() {
        changed.push(match n % 3 {
            0 => {
                let change = DeploymentChange { replicas: Some(1), ..DeploymentChange::default() };
                deployments::change(&place.deployer, *id, &change).await.unwrap()
            }
            1 => {
                place.renew(*id).await;
                superseded += 1;
                deployments::roll_back(&place.deployer, *id, &Rollback { revision: 1, reason: None }).await.unwrap()
            }
            _ => {
                place.renew(*id).await;
                superseded += 1;
                deployments::delete(&place.owner, *id).await.unwrap()
            }
        });
    }
    all_end("all are changed").await;
    for started in &changed {
        scene.succeeds(started.operation).await;
    }
    let ended = scene.count("select count(*) from operations where state = 'superseded'").await;
    // A change may have been done before what followed it came.
    assert!(ended <= superseded, "{ended} of {superseded}");
    for (n, id) in ids.iter().enumerate() {
        let found = objects_of(&admin, &workspace.namespace, *id).await;
        let pods = found.get("Pod").copied().unwrap_or(0);
        assert_eq!((pods, found.contains_key("Deployment")), [(1, true), (2, true), (0, false)][n % 3], "{found:?}");
        // A deletion is not undone by the worker that was still changing it.
        assert!(n % 3 != 2 || found.is_empty(), "{found:?}");
    }
    for id in ids.iter().enumerate().filter(|(n, _)| n % 3 != 2).map(|(_, id)| id) {
        deployments::delete(&place.owner, *id).await.unwrap();
    }
    all_end("all are deleted").await;
    for worker in workers {
        worker.stop().await;
    }

    each_operation_was_recorded_once(&scene).await;
    each_generation_was_applied_once(&scene, &workspace.namespace, &ids);
    nothing_is_left(&scene, &admin, &workspace.namespace).await;
    let owners: BTreeMap<String, i64> = sqlx::query_as("select owner, count(*) from claims group by owner").fetch_all(&scene.control.pool).await.unwrap().into_iter().collect();
    assert!(owners.len() == 2 && owners.values().all(|claims| *claims > 0), "both worked: {owners:?}");
    assert_eq!(scene.count("select count(*) from claims where taken_from_the_living").await, 0);
}

async fn each_operation_was_recorded_once(scene: &Scene) {
    let operations = scene.count("select count(*) from operations where object_kind = 'deployment'").await;
    let accepted = scene.count("select count(*) from audit_events where object_kind = 'deployment' and outcome = 'accepted'").await;
    assert_eq!(operations, accepted);
    let succeeded = scene.count("select count(*) from operations where object_kind = 'deployment' and state = 'succeeded'").await;
    let outcomes = scene.count("select count(*) from audit_events where object_kind = 'deployment' and outcome = 'done'").await;
    assert_eq!(succeeded, outcomes);
    assert_eq!(scene.count("select count(*) from operations where state not in ('succeeded', 'superseded')").await, 0);
    assert_eq!(scene.count("select count(*) from audit_events where action like '%.heal'").await, 0, "nothing was missing at any time");
}

/// The cluster's own record: which requests it answered well.
fn each_generation_was_applied_once(scene: &Scene, namespace: &str, ids: &[DeploymentId]) {
    let record = scene.sandbox.record("fleet", namespace);
    let done = |n: usize, verb: &str| {
        let name = format!("iris-{n}");
        let is_it = |event: &&serde_json::Value| {
            event["objectRef"]["resource"] == "deployments" && event["objectRef"]["name"] == *name && event["verb"] == verb && event["responseStatus"]["code"].as_u64() < Some(300)
        };
        record.iter().filter(is_it).inspect(|event| assert!(event["impersonatedUser"]["extra"]["slipway-user"].is_array(), "{event}")).count()
    };
    for n in 0..ids.len() {
        assert_eq!(done(n, "delete"), 1, "iris-{n}");
        // What was superseded may have been applied before, or not.
        let most = [2, 3, 2][n % 3];
        let applied = done(n, "patch");
        assert!(applied <= most && applied >= [2, 2, 1][n % 3], "iris-{n} was applied {applied} times");
    }
}

async fn nothing_is_left(scene: &Scene, admin: &kube::Client, namespace: &str) {
    assert_eq!(scene.count("select count(*) from deployments").await, 0);
    assert_eq!(scene.count("select count(*) from reconcile where kind = 'deployment'").await, 0);
    assert_eq!(scene.count("select count(*) from inventory where object_id not in (select id from workspaces)").await, 0);
    let ours = |metadata: &ObjectMeta| metadata.labels.as_ref().is_some_and(|labels| labels.keys().any(|key| key.ends_with("/deployment")));
    let services = Api::<k8s_openapi::api::core::v1::Service>::namespaced(admin.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(admin.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let accounts = Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(admin.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let names: Vec<String> = accounts.items.iter().filter(|account| ours(&account.metadata)).map(|account| account.name_any()).collect();
    assert!(services.items.is_empty() && pods.items.is_empty() && names.is_empty(), "{names:?}");
}
