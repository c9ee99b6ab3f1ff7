//! An AWS that throttles, fails or is slow while accounts are checked and clusters attached and looked at.

use control::{accounts, clusters};
use domain::{Code, account::Verdict, cluster::NewCluster};
use serde_json::json;
use sqlx::PgPool;

use crate::scene::Scene;

fn fleet(scene: &Scene) -> NewCluster {
    NewCluster { account: "main".into(), region: scene.sandbox.get("AWS_REGION").into(), eks_name: "fleet".into(), name: None }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn attaching_outlasts_a_few_refusals_and_says_it_plainly_when_there_are_more(pool: PgPool) {
    let scene = Scene::new(pool).await;
    for (fault, said) in [
        (
            json!({"kind": "aws-throttle", "service": "eks", "action": "DescribeCluster"}),
            "AWS was asked too often when Slipway wanted to look at the cluster. Try again in a moment.",
        ),
        (
            json!({"kind": "aws-error", "status": 503, "service": "eks", "action": "DescribeCluster"}),
            "AWS failed when Slipway wanted to look at the cluster. Try again in a moment.",
        ),
    ] {
        let struck = scene.sandbox.strike(fault.clone());
        let error = clusters::attach(&scene.admin, &fleet(&scene)).await.unwrap_err();
        let rejected = error.rejected().expect("the person is told");
        assert_eq!((rejected.code, rejected.message.as_str()), (Code::AwsUnavailable, said));
        assert!(rejected.raw.as_deref().is_some_and(|raw| !raw.is_empty()), "{rejected:?}");
        drop(struck);
        assert_eq!(scene.count("select count(*) from clusters").await, 0);
    }
    let mut few = json!({"kind": "aws-throttle", "service": "eks", "action": "DescribeCluster"});
    few["times"] = 2.into();
    let struck = scene.sandbox.strike(few);
    clusters::attach(&scene.admin, &fleet(&scene)).await.expect("it is tried again by itself");
    drop(struck);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn checking_an_account_outlasts_a_few_refusals_and_keeps_what_aws_said(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let few = scene.sandbox.strike(json!({"kind": "aws-throttle", "service": "sts", "action": "AssumeRole", "times": 2}));
    let checked = accounts::check(&scene.admin, scene.account).await.unwrap();
    assert_eq!(checked.check_error, None);
    assert!(checked.checks.iter().all(|check| check.verdict == Verdict::Allowed), "{checked:?}");
    drop(few);

    let failing = scene.sandbox.strike(json!({"kind": "aws-error", "service": "eks", "action": "ListClusters"}));
    let checked = accounts::check(&scene.admin, scene.account).await.unwrap();
    let unknown: Vec<_> = checked.checks.iter().filter(|check| check.verdict != Verdict::Allowed).collect();
    assert!(unknown.iter().any(|check| check.action == "eks:ListClusters" && check.verdict == Verdict::Unknown), "{unknown:?}");
    drop(failing);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_cluster_that_eks_does_not_describe_for_a_while_says_so_and_comes_back(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let cluster = scene.connect("fleet").await;
    let throttled = scene.sandbox.strike(json!({"kind": "aws-throttle", "service": "eks", "action": "DescribeCluster"}));
    let seen = scene.until(cluster.id, "AWS is asked too often", |cluster| cluster.state_message.is_some()).await;
    assert!(seen.state_message.as_deref().is_some_and(|said| said.starts_with("AWS was asked too often when Slipway wanted to")), "{seen:?}");
    drop(throttled);
    scene.until(cluster.id, "it is as before", |cluster| cluster.state == domain::cluster::ClusterState::Connected && cluster.state_message.is_none()).await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_eks_says_only_later_of_a_cluster_is_kept(pool: PgPool) {
    let scene = Scene::new(pool).await;
    clusters::attach(&scene.admin, &fleet(&scene)).await.unwrap();
    // As when it was attached while EKS still made it.
    sqlx::query("update clusters set endpoint = null, certificate_authority = null, eks_status = 'CREATING'").execute(&scene.control.pool).await.unwrap();
    scene.look(None).await;
    assert_eq!(scene.count("select count(*) from clusters where endpoint is not null and certificate_authority is not null and eks_status = 'ACTIVE'").await, 1);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_fault_that_ends_leaves_the_others(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let fault = |action: &str| json!({"kind": "aws-throttle", "service": "eks", "action": action});
    let (first, second) = (scene.sandbox.strike(fault("ListClusters")), scene.sandbox.strike(fault("DescribeCluster")));
    drop(first);
    let left = scene.sandbox.faults().to_string();
    assert!(left.contains("DescribeCluster") && !left.contains("ListClusters"), "{left}");
    drop(second);
    assert!(!scene.sandbox.faults().to_string().contains("DescribeCluster"));
}
