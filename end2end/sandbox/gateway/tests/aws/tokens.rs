//! EKS tokens, as the Kubernetes side has them verified.

use std::time::{Duration, SystemTime};

use crate::support::{ACCOUNT, MINUTE, Running};
use gateway::client::Client;
use serde_json::{Value, json};

async fn verify(running: &Running, cluster: &str, token: &str) -> (u16, Value) {
    running.control("POST", &format!("/_sandbox/eks/{cluster}/verify"), &json!({ "token": token })).await
}

fn token(client: &Client, cluster: &str) -> String {
    client.eks_token(cluster, SystemTime::now(), MINUTE).unwrap()
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
async fn a_token_is_good_for_a_quarter_of_an_hour_whatever_its_url_says() {
    let running = Running::start().await;
    let user = running.user("ada", None).await;
    let signed = |seconds_ago: u64, expires: u64| user.eks_token("lab", SystemTime::now() - Duration::from_secs(seconds_ago), Duration::from_secs(expires)).unwrap();
    for (seconds_ago, expires) in [(0, 60), (0, 0), (61, 60), (14 * 60, 60)] {
        let (status, answer) = verify(&running, "lab", &signed(seconds_ago, expires)).await;
        assert_eq!(status, 200, "signed {seconds_ago} s ago with {expires}: {answer}");
        let (status, _) = verify(&running, "fleet", &signed(seconds_ago, expires)).await;
        assert_eq!(status, 401, "another cluster's name, signed {seconds_ago} s ago with {expires}");
    }
    let forged = user.with_keys(gateway::client::Keys { secret: "wrong".into(), ..user.keys().clone() });
    let forged = forged.eks_token("lab", SystemTime::now() - Duration::from_secs(300), MINUTE).unwrap();
    assert_eq!(verify(&running, "lab", &forged).await.0, 401);

    let root = running.root();
    let late = signed(120, 60);
    let delete = [("UserName", "ada"), ("AccessKeyId", user.keys().id.as_str())];
    root.query("iam", "DeleteAccessKey", &delete).await.unwrap().success().unwrap();
    assert_eq!(verify(&running, "lab", &late).await.0, 401, "its key is gone");
    running.stop().await;
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused_with_a_reason() {
    let running = Running::start().await;
    let user = running.user("ada", None).await;
    for (token, why) in [
        ("garbage".to_owned(), "does not start with"),
        ("k8s-aws-v1.Z2FyYmFnZQ".to_owned(), "no host"),
        (user.eks_token("lab", SystemTime::now() - Duration::from_secs(16 * 60), MINUTE).unwrap(), "has expired"),
        (user.eks_token("lab", SystemTime::now() + Duration::from_secs(3600), MINUTE).unwrap(), "in the future"),
        (token(&running.root(), "lab"), "root key"),
        (token(&user.with_keys(gateway::client::Keys { secret: "wrong".into(), ..user.keys().clone() }), "lab"), "SignatureDoesNotMatch"),
    ] {
        let (status, refusal) = verify(&running, "lab", &token).await;
        assert_eq!(status, 401, "{why}");
        assert!(refusal["reason"].as_str().unwrap().contains(why), "{refusal}");
    }
    running.stop().await;
}
