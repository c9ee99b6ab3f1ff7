//! What goes wrong on purpose, and the control API around it.

use std::time::{Duration, Instant};

use crate::support::{ACCOUNT, Running};
use gateway::planes_api::PlaneFault;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn aws_faults_strike_where_they_are_aimed() {
    let running = Running::start().await;
    let root = running.root();
    let add = |fault: Value| {
        let running = &running;
        async move { running.control("POST", "/_sandbox/faults", &fault).await }
    };
    let (status, added) = add(json!({ "kind": "aws-throttle", "service": "eks", "times": 1 })).await;
    assert_eq!((status, added["id"].as_u64()), (201, Some(1)));
    let struck = root.eks(Method::GET, "/clusters", None).await.unwrap();
    assert_eq!((struck.status(), struck.error_code().as_str()), (429, "ThrottlingException"));
    assert_eq!(root.eks(Method::GET, "/clusters", None).await.unwrap().status(), 200);

    add(json!({ "kind": "aws-error", "status": 503, "service": "ecr", "action": "DescribeRepositories" })).await;
    assert_eq!(root.ecr("DescribeRepositories", &json!({})).await.unwrap().status(), 503);
    assert_eq!(root.ecr("GetAuthorizationToken", &json!({})).await.unwrap().status(), 200);

    add(json!({ "kind": "aws-throttle", "service": "sts" })).await;
    let struck = root.query("sts", "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!((struck.status(), struck.error_code().as_str()), (400, "Throttling"));

    add(json!({ "kind": "aws-latency", "millis": 300, "service": "iam" })).await;
    let before = Instant::now();
    root.query("iam", "ListUsers", &[]).await.unwrap().success().unwrap();
    assert!(before.elapsed() >= Duration::from_millis(300));

    add(json!({ "kind": "registry-down" })).await;
    assert_eq!(running.plain("GET", "/v2/", &[], "").await.status().as_u16(), 503);

    let (_, listed) = running.control("GET", "/_sandbox/faults", &Value::Null).await;
    assert_eq!(listed["faults"].as_array().unwrap().len(), 4);
    assert_eq!(running.control("DELETE", "/_sandbox/faults", &Value::Null).await.1["ended"], 4);
    assert_eq!(root.query("sts", "GetCallerIdentity", &[]).await.unwrap().status(), 200);
    assert_eq!(running.plain("GET", "/v2/", &[], "").await.status().as_u16(), 401);
    running.stop().await;
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_can_be_repeated_with_its_token() {
    let running = Running::start().await;
    let root = running.root();
    running.cluster(&root, "lab", "API").await;
    running.control("POST", "/_sandbox/faults", &json!({ "kind": "aws-answer-lost", "action": "CreateAccessEntry", "times": 1 })).await;
    let entry = |principal: &str| json!({ "principalArn": format!("arn:aws:iam::{ACCOUNT}:role/{principal}"), "clientRequestToken": "t1" });
    let create = |body: Value| {
        let root = root.clone();
        async move { root.eks(Method::POST, "/clusters/lab/access-entries", Some(&body)).await.unwrap() }
    };
    assert_eq!(create(entry("a")).await.status(), 500);
    let repeated = create(entry("a")).await;
    assert_eq!((repeated.status(), &repeated.json()["accessEntry"]["type"]), (200, &json!("STANDARD")), "{}", repeated.text());
    assert_eq!(create(entry("b")).await.error_code(), "InvalidParameterException", "the token of another request");
    let mut other_token = entry("a");
    other_token["clientRequestToken"] = "t2".into();
    assert_eq!(create(other_token).await.error_code(), "ResourceInUseException");

    let path = format!("/clusters/lab/access-entries/arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2Fa");
    root.eks(Method::DELETE, &path, None).await.unwrap().success().unwrap();
    assert_eq!(create(entry("a")).await.status(), 200);
    assert_eq!(root.eks(Method::GET, &path, None).await.unwrap().status(), 200, "it was made again, not only told again");
    running.stop().await;
}

#[tokio::test]
async fn cluster_faults_reach_the_plane_and_are_taken_back() {
    let running = Running::start().await;
    running.cluster(&running.root(), "lab", "API").await;
    let slow = json!({ "kind": "api-server-slow", "cluster": "lab", "millis": 50 });
    let (_, first) = running.control("POST", "/_sandbox/faults", &slow).await;
    assert_eq!(running.planes.fault_of("lab"), Some(PlaneFault::ApiServerSlow(50)));
    let (_, _) = running.control("POST", "/_sandbox/faults", &json!({ "kind": "node-lost", "cluster": "lab", "node": "n1", "seconds": 1 })).await;
    running.control("DELETE", &format!("/_sandbox/faults/{}", first["id"]), &Value::Null).await;
    assert_eq!(running.planes.fault_of("lab"), Some(PlaneFault::NodeLost("n1".into())), "the other fault is kept up");
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(running.planes.fault_of("lab"), Some(PlaneFault::None), "it ended by itself");

    let (status, refusal) = running.control("POST", "/_sandbox/faults", &json!({ "kind": "api-server-down", "cluster": "none" })).await;
    assert_eq!((status, refusal["reason"].as_str()), (400, Some("there is no cluster none")));
    assert_eq!(running.control("POST", "/_sandbox/faults", &json!({ "kind": "meteor" })).await.0, 400);
    assert_eq!(running.control("DELETE", "/_sandbox/faults/99", &Value::Null).await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn the_control_api_is_for_this_machine_only() {
    let running = Running::start().await;
    let page = running.plain("GET", "/_sandbox/", &[], "").await;
    let text = String::from_utf8_lossy(page.body()).into_owned();
    for part in ["Real", "Simulated", "Only recorded", "network policies"] {
        assert!(text.contains(part), "{part}");
    }
    let rebound = running.request("POST", "/_sandbox/faults", "rebound.example", r#"{"kind":"registry-down"}"#).await;
    assert_eq!(rebound.status().as_u16(), 403);
    for headers in [[("origin", "https://elsewhere.example")], [("sec-fetch-site", "cross-site")]] {
        let refused = running.plain("POST", "/_sandbox/faults", &headers, r#"{"kind":"registry-down"}"#).await;
        assert_eq!(refused.status().as_u16(), 403);
    }
    assert_eq!(running.control("GET", "/_sandbox/ready", &Value::Null).await.0, 503, "nobody said it was ready");
    running.sandbox.set_ready();
    assert_eq!(running.control("GET", "/_sandbox/ready", &Value::Null).await.0, 200);
    assert_eq!(running.control("GET", "/_sandbox/nothing", &Value::Null).await.0, 404);
    running.stop().await;
}
