//! Who may do what: signatures, keys and policies.

use crate::support::{ACCOUNT, REGION, Running, allow, create_cluster};
use gateway::client::Keys;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn eks_and_ecr_are_refused_where_no_policy_allows_them() {
    let running = Running::start().await;
    running.cluster(&running.root(), "lab", "API").await;
    let cluster = format!("arn:aws:eks:{REGION}:{ACCOUNT}:cluster/lab");

    let nobody = running.user("nobody", None).await;
    let refused = nobody.eks(Method::GET, "/clusters/lab", None).await.unwrap();
    assert_eq!((refused.status(), refused.error_code().as_str()), (403, "AccessDeniedException"));
    assert_eq!(
        refused.json()["message"],
        format!(
            "User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: eks:DescribeCluster on resource: {cluster} \
             because no identity-based policy allows the eks:DescribeCluster action"
        )
    );
    let refused = nobody.ecr("CreateRepository", &json!({ "repositoryName": "a/b" })).await.unwrap();
    assert_eq!((refused.status(), refused.error_code().as_str()), (400, "AccessDeniedException"));
    assert!(refused.text().contains(&format!("ecr:CreateRepository on resource: arn:aws:ecr:{REGION}:{ACCOUNT}:repository/a/b")));

    let reader = running.user("reader", Some(&allow(&["eks:DescribeCluster"], &cluster))).await;
    assert_eq!(reader.eks(Method::GET, "/clusters/lab", None).await.unwrap().status(), 200);
    assert_eq!(reader.eks(Method::GET, "/clusters/other", None).await.unwrap().error_code(), "AccessDeniedException");
    assert_eq!(reader.eks(Method::DELETE, "/clusters/lab", None).await.unwrap().error_code(), "AccessDeniedException");
    running.stop().await;
}

#[tokio::test]
async fn creating_a_cluster_needs_to_pass_its_role_and_tags_are_conditions() {
    let running = Running::start().await;
    let creator = running.user("creator", Some(&allow(&["eks:CreateCluster"], "*"))).await;
    let refused = create_cluster(&creator, "lab", Value::Null, "1.34").await;
    assert!(refused.text().contains(&format!("iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/eks-cluster")), "{}", refused.text());

    let tagged = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "ecr:CreateRepository", "Resource": "*",
            "Condition": { "StringEquals": { "aws:RequestTag/team": "a" } },
        }],
    });
    let tagger = running.user("tagger", Some(&tagged.to_string())).await;
    let make = |name: &str, team: &str| json!({ "repositoryName": name, "tags": [{ "Key": "team", "Value": team }] });
    assert_eq!(tagger.ecr("CreateRepository", &make("one", "b")).await.unwrap().error_code(), "AccessDeniedException");
    assert_eq!(tagger.ecr("CreateRepository", &make("one", "a")).await.unwrap().status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn an_access_policy_can_be_limited_to_one_by_condition() {
    let running = Running::start().await;
    running.cluster(&running.root(), "lab", "API").await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": "eks:CreateAccessEntry", "Resource": "*" },
            {
                "Effect": "Allow", "Action": "eks:AssociateAccessPolicy", "Resource": format!("arn:aws:eks:*:{ACCOUNT}:access-entry/lab/*"),
                "Condition": { "StringEquals": { "eks:policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" } },
            },
        ],
    });
    let user = running.user("viewer", Some(&policy.to_string())).await;
    let me = format!("arn:aws:iam::{ACCOUNT}:user/viewer");
    let entry = json!({ "principalArn": me });
    user.eks(Method::POST, "/clusters/lab/access-entries", Some(&entry)).await.unwrap().success().unwrap();
    let path = format!("/clusters/lab/access-entries/{}/access-policies", me.replace(':', "%3A").replace('/', "%2F"));
    let associate = |policy: &str| json!({ "policyArn": format!("arn:aws:eks::aws:cluster-access-policy/{policy}"), "accessScope": { "type": "cluster" } });
    let refused = user.eks(Method::POST, &path, Some(&associate("AmazonEKSClusterAdminPolicy"))).await.unwrap();
    assert_eq!(refused.error_code(), "AccessDeniedException", "{}", refused.text());
    let allowed = user.eks(Method::POST, &path, Some(&associate("AmazonEKSViewPolicy"))).await.unwrap();
    assert_eq!(allowed.status(), 200, "{}", allowed.text());
    running.stop().await;
}

#[tokio::test]
async fn a_role_needs_its_external_id_and_a_session_policy_takes_rights_away() {
    let running = Running::start().await;
    let caller = running.user("caller", Some(&allow(&["sts:AssumeRole"], "*"))).await;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/caller") }, "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": "secret-id" } },
        }],
    });
    let role = running.role("lister", &trust.to_string(), Some(&allow(&["eks:ListClusters", "ecr:GetAuthorizationToken"], "*"))).await;
    let base = [("RoleArn", role.as_str()), ("RoleSessionName", "s1")];
    assert_eq!(caller.query("sts", "AssumeRole", &base).await.unwrap().error_code(), "AccessDenied");

    let with_id = [base[0], base[1], ("ExternalId", "secret-id")];
    let session = caller.query("sts", "AssumeRole", &with_id).await.unwrap().success().unwrap().keys().unwrap();
    let session = running.client(session);
    assert_eq!(session.eks(Method::GET, "/clusters", None).await.unwrap().status(), 200);
    assert_eq!(session.ecr("GetAuthorizationToken", &json!({})).await.unwrap().status(), 200);

    let narrow = allow(&["eks:*"], "*");
    let narrowed = [with_id[0], with_id[1], with_id[2], ("Policy", narrow.as_str())];
    let session = running.client(caller.query("sts", "AssumeRole", &narrowed).await.unwrap().success().unwrap().keys().unwrap());
    assert_eq!(session.eks(Method::GET, "/clusters", None).await.unwrap().status(), 200);
    let refused = session.ecr("GetAuthorizationToken", &json!({})).await.unwrap();
    assert!(refused.text().contains("no session policy allows"), "{}", refused.text());
    assert!(refused.text().contains(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/lister/s1")), "{}", refused.text());
    running.stop().await;
}

#[tokio::test]
async fn everyone_may_ask_who_they_are_even_against_a_policy() {
    let running = Running::start().await;
    let deny = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*" }] });
    let user = running.user("denied", Some(&deny.to_string())).await;
    let answer = user.query("sts", "GetCallerIdentity", &[]).await.unwrap().success().unwrap();
    assert_eq!(answer.xml("Arn"), Some(format!("arn:aws:iam::{ACCOUNT}:user/denied")));
    assert_eq!(answer.xml("Account").as_deref(), Some(ACCOUNT));
    running.stop().await;
}

#[tokio::test]
async fn wrong_keys_are_refused_as_aws_refuses_them() {
    let running = Running::start().await;
    let root = running.root();
    root.query("iam", "CreateUser", &[("UserName", "ada")]).await.unwrap().success().unwrap();
    let policy = allow(&["eks:ListClusters"], "*");
    let parameters = [("UserName", "ada"), ("PolicyName", "p"), ("PolicyDocument", policy.as_str())];
    root.query("iam", "PutUserPolicy", &parameters).await.unwrap().success().unwrap();
    let keys = root.query("iam", "CreateAccessKey", &[("UserName", "ada")]).await.unwrap().keys().unwrap();

    let list = |keys: Keys| {
        let client = running.client(keys);
        async move { client.eks(Method::GET, "/clusters", None).await.unwrap() }
    };
    assert_eq!(list(keys.clone()).await.status(), 200);
    let wrong_secret = list(Keys { secret: "wrong".into(), ..keys.clone() }).await;
    assert_eq!((wrong_secret.status(), wrong_secret.text().contains("SignatureDoesNotMatch")), (403, true), "{}", wrong_secret.text());
    let unknown = list(Keys { id: "AKIAUNKNOWNUNKNOWN00".into(), ..keys.clone() }).await;
    assert_eq!((unknown.status(), unknown.error_code().as_str()), (403, "UnrecognizedClientException"));

    let delete = [("UserName", "ada"), ("AccessKeyId", keys.id.as_str())];
    root.query("iam", "DeleteAccessKey", &delete).await.unwrap().success().unwrap();
    assert_eq!(list(keys).await.error_code(), "UnrecognizedClientException");

    let unsigned = running.plain("GET", "/clusters", &[], "").await;
    assert_eq!(unsigned.status().as_u16(), 403);
    let backdoor = running.plain("GET", "/_fakecloud/credentials", &[], "").await;
    assert_eq!(backdoor.status().as_u16(), 404);
    running.stop().await;
}

#[tokio::test]
async fn keys_are_known_again_after_a_restart() {
    let running = Running::start().await;
    let user = running.user("ada", Some(&allow(&["eks:ListClusters"], "*"))).await;
    assert_eq!(user.eks(Method::GET, "/clusters", None).await.unwrap().status(), 200);
    running.cluster(&running.root(), "lab", "API").await;
    let (state, planes) = running.stop().await;

    let again = Running::start_on(state, planes).await;
    let user = gateway::client::Client::new(again.gateway, REGION, user.keys().clone());
    let listed = user.eks(Method::GET, "/clusters", None).await.unwrap();
    assert_eq!(listed.json()["clusters"], json!(["lab"]), "{}", listed.text());
    again.until_status("/clusters/lab", "cluster", "ACTIVE").await;
    again.stop().await;
}
