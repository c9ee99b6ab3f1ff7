//! Who gets into a cluster, and what they may do there: aws-auth, access entries, access policies.

use std::time::Duration;

use crate::support::{Cluster, Sandbox, eventually, group, instance, namespace};
use serde_json::{Value, json};

/// Changes show within the webhooks' and the API server's caches, a second each;
/// the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(15);

fn aws_auth(roles: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "aws-auth", "namespace": "kube-system" }, "data": { "mapRoles": roles } })
}

fn settings(mode: &str, entries: &Value) -> Value {
    json!({ "authenticationMode": mode, "entries": entries, "creator": "arn:aws:iam::123456789012:role/creator" })
}

fn who(cluster: &Cluster<'_>, token: &str) -> Option<Value> {
    let answer = cluster.with_token(token, &["auth", "whoami", "-o", "json"]);
    assert!(answer.ok || answer.unauthorized(), "neither known nor refused: {answer:?}");
    answer.ok.then(|| serde_json::from_str::<Value>(&answer.out).unwrap()["status"]["userInfo"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_mapping_locks_people_out_and_the_right_one_lets_them_in() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    let (token, role) = sandbox.gateway.role_token("scientists", "alice");
    assert!(who(&cluster, "garbage").is_none(), "garbage got in");
    assert!(who(&cluster, &token).is_none(), "a principal without a mapping got in");

    // One letter is enough.
    cluster.apply(&aws_auth(&format!("- rolearn: {role}s\n  username: alice\n  groups: [scientists]\n")));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(who(&cluster, &token).is_none(), "another role's mapping let her in");

    cluster.apply(&aws_auth(&format!("- rolearn: {role}\n  username: \"{{{{SessionName}}}}@aws\"\n  groups: [scientists]\n")));
    eventually(SOON, "the mapping counts", async || who(&cluster, &token).is_some()).await;
    let user = who(&cluster, &token).unwrap();
    assert_eq!(user["username"], "alice@aws");
    assert_eq!(user["groups"], json!(["scientists", "system:authenticated"]));
    assert_eq!(user["extra"]["sessionName"], json!(["alice"]));
    assert_eq!(user["extra"]["arn"], json!(["arn:aws:sts::123456789012:assumed-role/scientists/alice"]));
    let denied = cluster.with_token(&token, &["get", "pods"]);
    assert!(denied.err.contains("Forbidden") && denied.err.contains("alice@aws"), "known, but without rights: {denied:?}");

    // An access entry hides what aws-auth says of the same principal.
    sandbox.gateway.set_access(settings("API_AND_CONFIG_MAP", &json!([{ "principalArn": role, "username": "entry", "groups": [], "type": "STANDARD", "policies": [] }])));
    eventually(SOON, "the entry counts", async || who(&cluster, &token).is_some_and(|user| user["username"] == "entry")).await;

    // Without the map in the mode, nobody asks it; and the other way round.
    sandbox.gateway.set_access(settings("API", &json!([])));
    eventually(SOON, "aws-auth no longer counts", async || who(&cluster, &token).is_none()).await;
    sandbox.gateway.set_access(settings("CONFIG_MAP", &json!([{ "principalArn": role, "username": "entry", "groups": [], "type": "STANDARD", "policies": [] }])));
    eventually(SOON, "only aws-auth counts", async || who(&cluster, &token).is_some_and(|user| user["username"] == "alice@aws")).await;
    let (creator, _) = sandbox.gateway.role_token("creator", "root");
    assert!(cluster.with_token(&creator, &["get", "nodes"]).ok, "the hidden creator is an administrator");

    // What cannot be read maps nobody, and the one who broke it is out as well.
    cluster.apply(&aws_auth("- rolearn: [unbalanced\n"));
    eventually(SOON, "a broken map locks her out", async || who(&cluster, &token).is_none()).await;
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_only_the_instance_its_session_is_named_after() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    let (token, role) = sandbox.gateway.role_token("node", "i-00000000000000001");
    let (stranger, _) = sandbox.gateway.role_token("node", "i-00000000000000009");
    let (person, _) = sandbox.gateway.role_token("node", "mallory");
    sandbox.gateway.set_access(settings(
        "API",
        &json!([{ "principalArn": role, "username": "system:node:{{EC2PrivateDNSName}}", "groups": ["system:nodes"], "type": "EC2_LINUX", "policies": [] }]),
    ));
    sandbox.planes().add_nodes("lab", group("workers", vec![instance('a', 1, 0)])).await.unwrap();
    eventually(SOON, "the node is known", async || who(&cluster, &token).is_some()).await;
    assert_eq!(who(&cluster, &token).unwrap()["username"], "system:node:ip-10-77-1-10.ec2.internal");
    assert!(who(&cluster, &stranger).is_none(), "an instance that is no node got in");
    assert!(who(&cluster, &person).is_none(), "a person with the node's role got in as a node");
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_policies_allow_what_rbac_does_not() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    for name in ["team-a", "other"] {
        cluster.apply(&namespace(name));
    }
    let (token, role) = sandbox.gateway.role_token("scientists", "alice");
    let associate = |policy: &str, scope: &str| {
        let policies = json!([{ "policyArn": format!("arn:aws:eks::aws:cluster-access-policy/{policy}"), "scope": scope, "namespaces": if scope == "namespace" { json!(["team-*"]) } else { json!([]) } }]);
        sandbox.gateway.set_access(settings("API", &json!([{ "principalArn": role, "username": "", "groups": [], "type": "STANDARD", "policies": policies }])));
    };
    let may = |arguments: &[&str]| cluster.with_token(&token, &[&["auth", "can-i"], arguments].concat()).out.trim() == "yes";

    associate("AmazonEKSViewPolicy", "namespace");
    eventually(SOON, "the policy counts", async || may(&["get", "pods", "-n", "team-a"])).await;
    assert_eq!(who(&cluster, &token).unwrap()["username"], "arn:aws:sts::123456789012:assumed-role/scientists/alice");
    for (allowed, what) in [
        (true, ["get", "pods/log", "-n", "team-a"]),
        (false, ["get", "pods", "-n", "other"]),
        (false, ["get", "secrets", "-n", "team-a"]),
        (false, ["create", "deployments.apps", "-n", "team-a"]),
        (false, ["list", "pods", "-n", ""]),
    ] {
        assert_eq!(may(&what), allowed, "viewer: {what:?}");
    }

    associate("AmazonEKSEditPolicy", "namespace");
    eventually(SOON, "the other policy counts", async || may(&["create", "deployments.apps", "-n", "team-a"])).await;
    assert!(may(&["create", "pods/portforward", "-n", "team-a"]));
    assert!(!may(&["create", "rolebindings", "-n", "team-a"]), "an editor may not give rights");
    // EKS answers in a webhook, so listing rules does not show what a policy allows.
    let rules = cluster.with_token(&token, &["auth", "can-i", "--list", "-n", "team-a"]);
    assert!(!rules.out.contains("deployments"), "a policy turned up as RBAC rules: {}", rules.out);

    associate("AmazonEKSClusterAdminPolicy", "cluster");
    eventually(SOON, "an administrator of the cluster", async || may(&["delete", "nodes"])).await;
    assert!(may(&["get", "/metrics"]));
    assert!(cluster.with_token(&token, &["get", "pods", "-n", "other"]).ok);
    let other = cluster.with_token(&token, &["get", "pods", "-n", "other", "--as", "bob"]);
    assert!(other.err.contains("Forbidden") && other.err.contains("bob"), "whoever is impersonated has their own rights: {other:?}");

    // Policies need the mode with entries, and go with the association.
    sandbox.gateway.set_access(settings("API", &json!([{ "principalArn": role, "username": "", "groups": [], "type": "STANDARD", "policies": [] }])));
    eventually(SOON, "nothing is allowed any more", async || !may(&["delete", "nodes"])).await;
    sandbox.planes().shutdown().await;
}
