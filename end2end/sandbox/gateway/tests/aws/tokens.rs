//! EKS tokens, as the Kubernetes side has them verified.

use std::time::{Duration, SystemTime};

use crate::support::{ACCOUNT, Running};
use gateway::client::Client;
use serde_json::{Value, json};

async fn verify(running: &Running, cluster: &str, token: &str) -> (u16, Value) {
    running.control("POST", &format!("/_sandbox/eks/{cluster}/verify"), &json!({ "token": token })).await
}

fn token(client: &Client, cluster: &str) -> String {
    client.eks_token(cluster, SystemTime::now()).unwrap()
}

#[tokio::test]
async fn a_token_says_who_made_it_for_its_own_cluster_only() {
    let running = Running::start().await;
    let user = running.user("ada", None).await;
    let made = token(&user, "lab");

    let (status, identity) = verify(&running, "lab", &made).await;
    assert_eq!(status, 200, "a user without any right can still say who it is: {identity}");
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/ada");
    assert_eq!((&identity["arn"], &identity["canonicalArn"]), (&json!(arn), &json!(arn)));
    assert_eq!((&identity["accountId"], &identity["sessionName"]), (&json!(ACCOUNT), &json!("")));
    assert!(identity["userId"].as_str().is_some_and(|id| id.starts_with("FIDA") || id.starts_with("AIDA")), "{identity}");
    assert!(identity["accessKeyId"].as_str().is_some_and(|id| !id.is_empty()));

    let (status, refusal) = verify(&running, "fleet", &made).await;
    assert_eq!(status, 401);
    assert!(refusal["reason"].as_str().unwrap().contains("SignatureDoesNotMatch"), "{refusal}");
    running.stop().await;
}

#[tokio::test]
async fn a_session_is_named_and_mapped_as_its_role() {
    let running = Running::start().await;
    let user = running.user("ada", Some(&crate::support::allow(&["sts:AssumeRole"], "*"))).await;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/ada") }, "Action": "sts:AssumeRole" }],
    });
    let role = running.role("deployers", &trust.to_string(), None).await;
    let parameters = [("RoleArn", role.as_str()), ("RoleSessionName", "ada-at-work")];
    let keys = user.query("sts", "AssumeRole", &parameters).await.unwrap().success().unwrap().keys().unwrap();
    let (status, identity) = verify(&running, "lab", &token(&running.client(keys), "lab")).await;
    assert_eq!(status, 200, "{identity}");
    assert_eq!(identity["arn"], format!("arn:aws:sts::{ACCOUNT}:assumed-role/deployers/ada-at-work"));
    assert_eq!((&identity["canonicalArn"], &identity["sessionName"]), (&json!(role), &json!("ada-at-work")));
    running.stop().await;
}

#[tokio::test]
async fn a_verified_token_stays_good_when_the_url_would_not_be() {
    let running = Running::start().await;
    let root = running.root();
    let user = running.user("ada", None).await;
    // Its URL is good for 60 seconds; EKS takes the token for a quarter of an hour. It is verified 2 seconds before the URL's end.
    let made = user.eks_token("lab", SystemTime::now() - Duration::from_secs(58)).unwrap();
    assert_eq!(verify(&running, "lab", &made).await.0, 200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(verify(&running, "lab", &made).await.0, 200, "remembered");
    assert_eq!(root.query("sts", "GetCallerIdentity", &[]).await.unwrap().status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_with_a_reason() {
    let running = Running::start().await;
    let user = running.user("ada", None).await;
    for (token, why) in [
        ("garbage".to_owned(), "does not start with"),
        ("k8s-aws-v1.Z2FyYmFnZQ".to_owned(), "no host"),
        (user.eks_token("lab", SystemTime::now() - Duration::from_secs(16 * 60)).unwrap(), "has expired"),
        (user.eks_token("lab", SystemTime::now() + Duration::from_secs(3600)).unwrap(), "in the future"),
        (token(&running.root(), "lab"), "root key"),
        (token(&user.with_keys(gateway::client::Keys { secret: "wrong".into(), ..user.keys().clone() }), "lab"), "SignatureDoesNotMatch"),
    ] {
        let (status, refusal) = verify(&running, "lab", &token).await;
        assert_eq!(status, 401, "{why}");
        assert!(refusal["reason"].as_str().unwrap().contains(why), "{refusal}");
    }
    running.stop().await;
}
