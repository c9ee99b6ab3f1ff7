//! Clusters and node groups, as EKS's API shows them.

use crate::support::{ACCOUNT, MINUTE, REGION, Running, create_cluster, trust_service};
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_cluster_comes_up_with_an_endpoint_and_its_creator_as_administrator() {
    let running = Running::start().await;
    let admin = running.user("admin", Some(&crate::support::allow(&["eks:*", "iam:PassRole"], "*"))).await;

    let created = create_cluster(&admin, "lab", json!({ "authenticationMode": "API" }), "1.34").await;
    assert_eq!(created.status(), 200, "{}", created.text());
    let cluster = &created.json()["cluster"];
    assert_eq!(cluster["status"], "CREATING");
    assert_eq!(cluster["endpoint"], Value::Null, "EKS names no endpoint before there is one");

    let cluster = running.until_status("/clusters/lab", "cluster", "ACTIVE").await;
    assert_eq!(cluster["endpoint"], "https://127.0.0.1/lab");
    assert_eq!(cluster["certificateAuthority"]["data"], "UEVNIG9mIGxhYg==");

    let (status, access) = running.control("GET", "/_sandbox/eks/lab/access", &Value::Null).await;
    assert_eq!(status, 200);
    let user = format!("arn:aws:iam::{ACCOUNT}:user/admin");
    assert_eq!(
        access,
        json!({
            "authenticationMode": "API",
            "creator": "",
            "entries": [{
                "principalArn": user, "canonicalArn": user, "username": user, "groups": [], "type": "STANDARD",
                "policies": [{
                    "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                    "scope": "cluster", "namespaces": [],
                }],
            }],
        })
    );
    running.stop().await;
}

#[tokio::test]
async fn a_creator_can_be_left_out_and_is_hidden_where_only_the_config_map_maps() {
    let running = Running::start().await;
    let admin = running.user("admin", Some(&crate::support::allow(&["eks:*", "iam:PassRole"], "*"))).await;

    let access = json!({ "authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": false });
    assert_eq!(create_cluster(&admin, "closed", access, "1.34").await.status(), 200);
    let (_, access) = running.control("GET", "/_sandbox/eks/closed/access", &Value::Null).await;
    assert_eq!(access["entries"], json!([]));

    running.cluster(&admin, "old", "CONFIG_MAP").await;
    let (_, access) = running.control("GET", "/_sandbox/eks/old/access", &Value::Null).await;
    assert_eq!(access["creator"], format!("arn:aws:iam::{ACCOUNT}:user/admin"));
    assert_eq!(access["entries"], json!([]));
    let role = running.role("nodes", &trust_service("ec2.amazonaws.com"), None).await;
    let group = json!({ "nodegroupName": "g", "nodeRole": role, "subnets": running.subnets().await, "scalingConfig": { "desiredSize": 1 } });
    admin.eks(Method::POST, "/clusters/old/node-groups", Some(&group)).await.unwrap().success().unwrap();
    running.until_status("/clusters/old/node-groups/g", "nodegroup", "ACTIVE").await;
    let refused = admin.eks(Method::GET, "/clusters/old/access-entries", None).await.unwrap();
    assert_eq!((refused.status(), refused.error_code().as_str()), (400, "InvalidRequestException"));

    let both = json!({ "accessConfig": { "authenticationMode": "API_AND_CONFIG_MAP" } });
    admin.eks(Method::POST, "/clusters/old/update-config", Some(&both)).await.unwrap().success().unwrap();
    let (_, access) = running.control("GET", "/_sandbox/eks/old/access", &Value::Null).await;
    assert_eq!(access["creator"], "");
    let entries = access["entries"].as_array().unwrap().iter().map(|entry| entry["principalArn"].as_str().unwrap());
    assert_eq!(entries.collect::<Vec<_>>(), [role, format!("arn:aws:iam::{ACCOUNT}:user/admin")]);

    let back = json!({ "accessConfig": { "authenticationMode": "CONFIG_MAP" } });
    let refused = admin.eks(Method::POST, "/clusters/old/update-config", Some(&back)).await.unwrap();
    assert_eq!(refused.error_code(), "InvalidParameterException");
    running.stop().await;
}

#[tokio::test]
async fn a_version_update_restarts_the_plane_one_minor_at_a_time() {
    let running = Running::start().await;
    let root = running.root();
    assert_eq!(create_cluster(&root, "lab", Value::Null, "1.33").await.status(), 200);
    running.until_status("/clusters/lab", "cluster", "ACTIVE").await;

    let update = |version: &str| {
        let (root, body) = (root.clone(), json!({ "version": version }));
        async move { root.eks(Method::POST, "/clusters/lab/updates", Some(&body)).await.unwrap() }
    };
    let too_far = update("1.35").await;
    assert_eq!(too_far.json()["message"], "Unsupported Kubernetes minor version update from 1.33 to 1.35");

    let started = update("1.34").await.success().unwrap().json();
    let path = format!("/clusters/lab/updates/{}", started["update"]["id"].as_str().unwrap());
    assert_eq!(root.eks(Method::GET, &path, None).await.unwrap().json()["update"]["status"], "InProgress");
    let during = root.eks(Method::GET, "/clusters/lab", None).await.unwrap().json();
    assert_eq!((&during["cluster"]["status"], &during["cluster"]["version"]), (&json!("UPDATING"), &json!("1.33")));
    assert_eq!(update("1.34").await.error_code(), "ResourceInUseException");

    let cluster = running.until_status("/clusters/lab", "cluster", "ACTIVE").await;
    assert_eq!(cluster["version"], "1.34");
    assert_eq!(running.planes.version("lab").as_deref(), Some("1.34"));
    assert_eq!(root.eks(Method::GET, &path, None).await.unwrap().json()["update"]["status"], "Successful");

    *running.planes.broken_version.lock().unwrap() = Some("1.35".into());
    let started = update("1.35").await.success().unwrap().json();
    let path = format!("/clusters/lab/updates/{}", started["update"]["id"].as_str().unwrap());
    let failed = running.until_status(&path, "update", "Failed").await;
    assert_eq!(failed["errors"][0]["errorMessage"], "version 1.35 is broken");
    assert_eq!(running.until_status("/clusters/lab", "cluster", "ACTIVE").await["version"], "1.34");
    running.stop().await;
}

#[tokio::test]
async fn a_plane_that_cannot_start_leaves_no_cluster() {
    let running = Running::start().await;
    *running.planes.broken_version.lock().unwrap() = Some("1.35".into());
    let refused = create_cluster(&running.root(), "lab", Value::Null, "1.35").await;
    assert_eq!(refused.status(), 500);
    assert!(refused.text().contains("version 1.35 is broken"), "{}", refused.text());
    assert_eq!(running.root().eks(Method::GET, "/clusters", None).await.unwrap().json()["clusters"], json!([]));
    assert_eq!(create_cluster(&running.root(), "lab", Value::Null, "1.20").await.error_code(), "InvalidParameterException");
    running.stop().await;
}

#[tokio::test]
async fn a_plane_that_dies_shows_as_failed_with_its_last_words() {
    let running = Running::start().await;
    let root = running.root();
    running.cluster(&root, "lab", "API").await;
    *running.planes.failure.lock().unwrap() = Some("etcd is full".into());
    let cluster = running.until_status("/clusters/lab", "cluster", "FAILED").await;
    assert_eq!(cluster["health"]["issues"][0]["message"], "etcd is full");
    let refused = root.eks(Method::POST, "/clusters/lab/updates", Some(&json!({ "version": "1.35" }))).await.unwrap();
    assert_eq!(refused.error_code(), "ResourceInUseException");
    running.stop().await;
}

#[tokio::test]
async fn deleting_is_seen_until_it_is_done() {
    let running = Running::start().await;
    let root = running.root();
    running.cluster(&root, "lab", "API").await;
    let deleted = root.eks(Method::DELETE, "/clusters/lab", None).await.unwrap().success().unwrap();
    assert_eq!(deleted.json()["cluster"]["status"], "DELETING");
    assert_eq!(root.eks(Method::GET, "/clusters/lab", None).await.unwrap().json()["cluster"]["status"], "DELETING");
    assert_eq!(root.eks(Method::GET, "/clusters", None).await.unwrap().json()["clusters"], json!(["lab"]));
    assert_eq!(create_cluster(&root, "lab", Value::Null, "1.34").await.error_code(), "ResourceInUseException");
    tokio::time::sleep(crate::support::planes::MOMENT * 2).await;
    assert_eq!(root.eks(Method::GET, "/clusters/lab", None).await.unwrap().error_code(), "ResourceNotFoundException");
    assert_eq!(running.planes.version("lab"), None);
    running.stop().await;
}

#[tokio::test]
async fn a_node_group_has_instances_that_join_with_its_role() {
    let running = Running::start().await;
    let root = running.root();
    let role = running.role("nodes", &trust_service("ec2.amazonaws.com"), None).await;
    running.cluster(&root, "fleet", "API").await;
    let subnets = running.subnets().await;
    let body = json!({
        "nodegroupName": "gpu", "nodeRole": role, "subnets": subnets, "instanceTypes": ["g5.xlarge"],
        "scalingConfig": { "minSize": 0, "desiredSize": 4, "maxSize": 5 }, "labels": { "pool": "gpu" },
        "taints": [{ "key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE" }],
    });
    let created = root.eks(Method::POST, "/clusters/fleet/node-groups", Some(&body)).await.unwrap().success().unwrap();
    assert_eq!(created.json()["nodegroup"]["status"], "CREATING");
    let group = running.until_status("/clusters/fleet/node-groups/gpu", "nodegroup", "ACTIVE").await;
    assert_eq!(running.planes.nodes("fleet").len(), 4, "each instance is a node of its own");

    let scaling = root.query("autoscaling", "DescribeAutoScalingGroups", &[]).await.unwrap().success().unwrap().text();
    assert!(scaling.contains(group["resources"]["autoScalingGroups"][0]["name"].as_str().unwrap()));
    let members = gateway::xml::records(&scaling, "member", &["InstanceId", "AvailabilityZone"]);
    let zones: std::collections::BTreeSet<&str> = members.iter().map(|member| member[1].as_str()).collect();
    assert_eq!((members.len(), zones.len()), (4, 3), "spread over the zones: {members:?}");
    let id = members[0][0].clone();
    let described = root.query("ec2", "DescribeInstances", &[("InstanceId.1", &id)]).await.unwrap().success().unwrap();
    assert_eq!(described.xml("instanceType").as_deref(), Some("g5.xlarge"));

    let (_, access) = running.control("GET", "/_sandbox/eks/fleet/access", &Value::Null).await;
    let entry = access["entries"].as_array().unwrap().iter().find(|entry| entry["principalArn"] == role.as_str()).unwrap();
    assert_eq!((&entry["type"], &entry["username"], &entry["groups"]), (&json!("EC2_LINUX"), &json!("system:node:{{EC2PrivateDNSName}}"), &json!(["system:nodes"])));

    let (status, given) = running.control("GET", &format!("/_sandbox/instances/{id}/credentials"), &Value::Null).await;
    assert_eq!(status, 200, "{given}");
    let text = |field: &str| given[field].as_str().unwrap().to_owned();
    let node = running.client(gateway::client::Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) });
    let token = node.eks_token("fleet", std::time::SystemTime::now(), MINUTE).unwrap();
    let (status, identity) = running.control("POST", "/_sandbox/eks/fleet/verify", &json!({ "token": token })).await;
    assert_eq!((status, identity["sessionName"].as_str()), (200, Some(id.as_str())), "{identity}");
    assert_eq!(identity["canonicalArn"], role);
    let asked = node.query("sts", "GetCallerIdentity", &[]).await.unwrap().success().unwrap();
    assert_eq!(asked.xml("Arn"), Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/nodes/{id}")));

    // What stands for EC2 may take the role in the instance's name; nobody else's name will do.
    let take = |session: &'static str| {
        let (root, role) = (root.clone(), role.clone());
        async move { root.query("sts", "AssumeRole", &[("RoleArn", &role), ("RoleSessionName", session)]).await.unwrap() }
    };
    assert_eq!(take("somebody").await.error_code(), "AccessDenied");
    let taken = take(id.clone().leak()).await.success().unwrap();
    assert_eq!(taken.xml("Arn"), Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/nodes/{id}")));
    let token = running.client(taken.keys().unwrap()).eks_token("fleet", std::time::SystemTime::now(), MINUTE).unwrap();
    assert_eq!(running.control("POST", "/_sandbox/eks/fleet/verify", &json!({ "token": token })).await.0, 200);

    assert_eq!(root.eks(Method::DELETE, "/clusters/fleet", None).await.unwrap().error_code(), "ResourceInUseException");
    let newer = json!({ "version": "1.35" });
    let refused = root.eks(Method::POST, "/clusters/fleet/node-groups/gpu/update-version", Some(&newer)).await.unwrap();
    assert_eq!(refused.error_code(), "InvalidParameterException", "a node is never newer than its control plane");
    root.eks(Method::POST, "/clusters/fleet/updates", Some(&newer)).await.unwrap().success().unwrap();
    running.until_status("/clusters/fleet", "cluster", "ACTIVE").await;
    let before = running.planes.nodes("fleet");
    let update = root.eks(Method::POST, "/clusters/fleet/node-groups/gpu/update-version", Some(&json!({}))).await.unwrap();
    let update = update.success().unwrap().json();
    let path = format!("/clusters/fleet/updates/{}?nodegroupName=gpu", update["update"]["id"].as_str().unwrap());
    running.until_status(&path, "update", "Successful").await;
    let after = running.planes.nodes("fleet");
    assert_eq!((after.len(), after.iter().any(|node| before.contains(node))), (4, false), "every node is a new one");
    let group = root.eks(Method::GET, "/clusters/fleet/node-groups/gpu", None).await.unwrap().json();
    assert_eq!(group["nodegroup"]["version"], "1.35");

    let smaller = json!({ "scalingConfig": { "minSize": 0, "desiredSize": 1, "maxSize": 5 } });
    let update = root.eks(Method::POST, "/clusters/fleet/node-groups/gpu/update-config", Some(&smaller)).await.unwrap().success().unwrap().json();
    let path = format!("/clusters/fleet/updates/{}?nodegroupName=gpu", update["update"]["id"].as_str().unwrap());
    running.until_status(&path, "update", "Successful").await;
    assert_eq!(running.planes.nodes("fleet").len(), 1);

    let deleted = root.eks(Method::DELETE, "/clusters/fleet/node-groups/gpu", None).await.unwrap().success().unwrap();
    assert_eq!(deleted.json()["nodegroup"]["status"], "DELETING");
    assert_eq!(root.eks(Method::GET, "/clusters/fleet/node-groups", None).await.unwrap().json()["nodegroups"], json!(["gpu"]));
    tokio::time::sleep(crate::support::planes::MOMENT * 2).await;
    let gone = root.eks(Method::GET, "/clusters/fleet/node-groups/gpu", None).await.unwrap();
    assert_eq!(gone.error_code(), "ResourceNotFoundException");
    assert!(running.planes.nodes("fleet").is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_node_group_that_cannot_be_is_refused_with_the_reason() {
    let running = Running::start().await;
    let root = running.root();
    running.cluster(&root, "lab", "API").await;
    let subnets = running.subnets().await;
    let attempt = |change: Value| {
        let (root, subnets) = (root.clone(), subnets.clone());
        async move {
            let mut body = json!({ "nodegroupName": "g", "nodeRole": format!("arn:aws:iam::{ACCOUNT}:role/nobody"), "subnets": subnets });
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refused = root.eks(Method::POST, "/clusters/lab/node-groups", Some(&body)).await.unwrap();
            assert_eq!(refused.error_code(), "InvalidParameterException");
            refused.json()["message"].as_str().unwrap().to_owned()
        }
    };
    assert!(attempt(json!({ "instanceTypes": ["z9.huge"] })).await.contains("z9.huge"));
    assert!(attempt(json!({ "subnets": ["subnet-none"] })).await.contains("subnet-none"));
    assert!(attempt(json!({})).await.contains("role/nobody"));
    assert!(attempt(json!({ "tags": { "sandbox:nodes": "real" } })).await.contains("one real node"));
    assert!(attempt(json!({ "tags": { "sandbox:nodes": "imaginary" } })).await.contains("imaginary"));
    assert!(attempt(json!({ "scalingConfig": { "minSize": 2, "desiredSize": 1, "maxSize": 3 } })).await.contains("min size"));
    assert_eq!(root.eks(Method::GET, "/clusters/lab/node-groups", None).await.unwrap().json()["nodegroups"], json!([]));
    running.stop().await;
}

#[tokio::test]
async fn what_a_killed_run_left_half_done_is_finished_or_taken_back() {
    let running = Running::start().await;
    let root = running.root();
    let role = running.role("nodes", &trust_service("ec2.amazonaws.com"), None).await;
    for name in ["kept", "deleted"] {
        running.cluster(&root, name, "API").await;
    }
    let body = json!({
        "nodegroupName": "g", "nodeRole": role, "subnets": running.subnets().await, "instanceTypes": ["m5.large"],
        "scalingConfig": { "minSize": 1, "desiredSize": 2, "maxSize": 3 },
    });
    root.eks(Method::POST, "/clusters/kept/node-groups", Some(&body)).await.unwrap().success().unwrap();
    running.until_status("/clusters/kept/node-groups/g", "nodegroup", "ACTIVE").await;

    // What the emulator is told behind the gateway's back is what a killed gateway had passed on and not yet done.
    let emulator = &running.sandbox.cloud;
    let new = json!({ "name": "created", "roleArn": role, "resourcesVpcConfig": { "subnetIds": [] } });
    emulator.rest("eks", REGION, Method::POST, "/clusters", Some(&new)).await.unwrap();
    emulator.rest("eks", REGION, Method::DELETE, "/clusters/deleted", None).await.unwrap();
    let larger = json!({ "scalingConfig": { "minSize": 1, "desiredSize": 3, "maxSize": 3 } });
    emulator.rest("eks", REGION, Method::POST, "/clusters/kept/node-groups/g/update-config", Some(&larger)).await.unwrap();
    let (state, planes) = running.stop().await;

    let again = Running::start_on(state, planes).await;
    again.until_status("/clusters/kept/node-groups/g", "nodegroup", "ACTIVE").await;
    assert_eq!(again.planes.nodes("kept").len(), 3);
    assert_eq!(again.planes.version("deleted"), None);
    let listed = again.root().eks(Method::GET, "/clusters", None).await.unwrap().json();
    assert_eq!(listed["clusters"], json!(["kept"]));
    again.stop().await;
}
