use domain::{access::TeamRole, deployment::NewDeployment, ids::DeploymentId, operation::OperationState};
use serde_json::json;
use sqlx::PgPool;

use super::*;
use crate::{
    deployments::{
        self,
        diagnosis::{Verdict, diagnose},
        record, subject,
    },
    operations, reconcile,
    testing::World,
    workspaces::fixture::Place,
};

/// A pod whose container crashed twice, with these last words.
fn crashed(last_words: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "iris-1", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "status": {"containerStatuses": [{"name": "model", "image": "", "imageID": "", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off\u{0}"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": last_words}}}]}
    }))
    .unwrap()
}

fn judged(pod: &Pod) -> domain::operation::Failure {
    let evidence = Evidence {
        size: domain::size::Size::Small,
        port: 8080,
        health_path: "/".into(),
        image: String::new(),
        workspace: "forecasting".into(),
        startup_seconds: 120,
        patience_seconds: 720,
        not_created: None,
        deadline_exceeded: false,
        pods: vec![replica(pod, crate::clock::now())],
    };
    match diagnose(&evidence) {
        Verdict::Fatal(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[test]
fn ages_are_by_the_clusters_clock_and_waiting_for_a_node_does_not_count_against_the_image() {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "iris-1", "creationTimestamp": "2026-01-02T03:00:00Z"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-02T03:04:00Z"}],
                   "containerStatuses": [{"name": "model", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-02T03:04:30Z"}}}]}
    }))
    .unwrap();
    let replica = replica(&pod, Timestamp(time::macros::datetime!(2026-01-02 03:05:00 UTC)));
    assert_eq!((replica.age, replica.running), (60, Some(30)));
}

#[test]
fn last_words_are_kept_from_their_end() {
    let failure = judged(&crashed(&format!("{}\nno such file: model.onnx\n", "x".repeat(1 << 20))));
    assert!(failure.cause.ends_with("Its last words: no such file: model.onnx"), "{}", failure.cause);
    assert!(failure.raw.unwrap().len() < LAST_WORDS + 200);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_operation_ends_whatever_a_container_said(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    let started = deployments::create(&ada, &new).await.unwrap();
    let claim = reconcile::claim(&world.control.pool, "test", 1, world.control.settings.times).await.unwrap().pop().unwrap();
    let subject = subject::load(&world.control, DeploymentId(started.object)).await.unwrap().unwrap();
    let failure = judged(&crashed("bad weights\0\n"));
    assert!(record::failed(&world.control, &claim, &subject, &failure).await.is_ok());
    let ended = operations::get(&ada, started.operation).await.unwrap();
    assert_eq!(ended.state, OperationState::Failed);
    assert!(ended.failure.unwrap().cause.ends_with("Its last words: bad weights\u{FFFD}"));
}

#[tokio::test]
async fn a_slow_cluster_gets_a_verdict_of_what_there_is() {
    let until = Instant::now() + Duration::from_millis(20);
    assert_eq!(in_time(until, std::future::pending::<k8s::Result<()>>()).await.unwrap(), None);
    let until = Instant::now() + Duration::from_secs(60);
    let says = async |kind| in_time(until, std::future::ready(Err::<(), _>(k8s::Error::new(kind, "word for word")))).await;
    assert_eq!(says(k8s::Kind::Unreachable).await.unwrap(), None);
    assert!(says(k8s::Kind::Forbidden).await.is_err(), "what will not pass is not passed over");
}

#[tokio::test]
async fn a_replica_is_judged_even_where_its_events_never_come() {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| std::future::pending::<Result<http::Response<kube::client::Body>, k8s::Error>>());
    let events: Api<Event> = Api::namespaced(kube::Client::new(service, "default"), "forecasting");
    let asked = in_time(Instant::now() + Duration::from_millis(20), happenings(&events, "iris-1")).await.unwrap();
    assert_eq!(asked, None);
    assert_eq!(judged(&crashed("bad weights")).code, "crashed");
}
