//! Control planes and simulated nodes from creation to deletion, and what goes wrong on the way.

use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::{Cluster, Sandbox, eventually, group, instance, namespace, spec, turn};
use planes::{PlaneFault, PlaneStatus, Planes, PlanesConfig, Programs};
use serde_json::{Value, json};

/// The lease of a node runs out after 40 s, and the controller looks every 5 s.
const LOST: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(30);

fn ready(cluster: &Cluster<'_>, node: &str) -> Option<String> {
    let node = cluster.get(&["node", node]);
    let conditions = node["status"]["conditions"].as_array()?;
    Some(conditions.iter().find(|condition| condition["type"] == "Ready")?["status"].as_str()?.to_owned())
}

fn deployment(name: &str, replicas: u32, gpus: u32) -> Value {
    let resources = if gpus > 0 { json!({ "limits": { "nvidia.com/gpu": gpus.to_string() } }) } else { json!({}) };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "containers": [{ "name": "model", "image": "model:1", "resources": resources }],
                    "tolerations": if gpus > 0 { json!([{ "key": "nvidia.com/gpu", "operator": "Exists" }]) } else { json!([]) },
                },
            },
        },
    })
}

fn nodes_of(cluster: &Cluster<'_>, app: &str) -> Vec<String> {
    let pods = cluster.get(&["pods", "-l", &format!("app={app}")]);
    let running = pods["items"].as_array().unwrap().iter().filter(|pod| pod["status"]["phase"] == "Running");
    running.filter_map(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_update_keeps_what_the_cluster_stored() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.33").await;
    let minor = |cluster: &Cluster<'_>| -> Value { serde_json::from_str(cluster.admin(&["get", "--raw", "/version"]).expect_ok()).unwrap() };
    assert_eq!(minor(&cluster)["emulationMinor"], "33");
    cluster.apply(&namespace("kept"));
    sandbox.planes().add_nodes("lab", group("workers", vec![instance('a', 1, 0)])).await.unwrap();

    sandbox.planes().update_version("lab", "1.34").await.unwrap();
    assert_eq!(sandbox.planes().status("lab"), PlaneStatus::Active);
    assert_eq!(minor(&cluster)["emulationMinor"], "34");
    assert!(cluster.admin(&["get", "namespace", "kept"]).ok, "the update lost an object");
    cluster.apply(&deployment("after", 1, 0));
    eventually(SOON, "nodes still take pods", async || nodes_of(&cluster, "after").len() == 1).await;

    let refused = sandbox.planes().update_version("lab", "1.99").await.unwrap_err().to_string();
    assert!(refused.contains("1.99"), "{refused}");
    assert_eq!(sandbox.planes().status("lab"), PlaneStatus::Active, "a refused update changed the cluster");
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_nodes_take_pods_by_zone_and_gpu_and_can_be_lost() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("fleet", "1.35").await;
    sandbox.planes().add_nodes("fleet", group("workers", vec![instance('a', 1, 0), instance('b', 2, 0), instance('c', 3, 0)])).await.unwrap();
    let gpu = instance('a', 9, 1);
    sandbox.planes().add_nodes("fleet", group("gpus", vec![gpu.clone()])).await.unwrap();

    let node = cluster.get(&["node", &gpu.private_dns_name]);
    assert_eq!(node["spec"]["providerID"], "aws:///us-east-1a/i-00000000000000009");
    assert_eq!(node["status"]["allocatable"]["nvidia.com/gpu"], "1");
    assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/zone"], "us-east-1a");
    assert_eq!(node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"], "gpus");

    cluster.apply(&deployment("trainer", 2, 1));
    cluster.apply(&deployment("web", 6, 0));
    eventually(SOON, "one GPU takes one pod", async || nodes_of(&cluster, "trainer") == [gpu.private_dns_name.clone()]).await;
    eventually(SOON, "pods spread over the zones", async || {
        let mut nodes = nodes_of(&cluster, "web");
        nodes.sort();
        nodes.dedup();
        nodes.len() == 3
    })
    .await;

    let asked = Instant::now();
    let logs = cluster.admin(&["logs", "deploy/web"]);
    assert!(logs.err.contains("simulated") && asked.elapsed() < Duration::from_secs(5), "nothing runs there, and that is said at once: {logs:?}");

    let second = instance('b', 2, 0);
    sandbox.planes().fault("fleet", PlaneFault::NodeLost(second.private_dns_name.clone())).await.unwrap();
    eventually(LOST, "the lost node is noticed", async || ready(&cluster, &second.private_dns_name).as_deref() == Some("Unknown")).await;
    sandbox.planes().fault("fleet", PlaneFault::None).await.unwrap();
    eventually(SOON, "the node comes back", async || ready(&cluster, &second.private_dns_name).as_deref() == Some("True")).await;

    sandbox.planes().remove_nodes("fleet", "workers", std::slice::from_ref(&second)).await.unwrap();
    assert!(!cluster.admin(&["get", "node", &second.private_dns_name]).ok, "the removed node is still there");
    eventually(SOON, "its pods run elsewhere", async || {
        let nodes = nodes_of(&cluster, "web");
        nodes.len() == 6 && !nodes.contains(&second.private_dns_name)
    })
    .await;
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_down_slow_or_killed_comes_back() {
    let sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    sandbox.planes().fault("lab", PlaneFault::ApiServerDown).await.unwrap();
    let refused = cluster.admin(&["get", "namespaces"]);
    assert!(refused.err.contains("refused"), "{refused:?}");

    sandbox.planes().fault("lab", PlaneFault::ApiServerSlow(700)).await.unwrap();
    let asked = Instant::now();
    cluster.admin(&["get", "--raw", "/version"]).expect_ok();
    assert!(asked.elapsed() >= Duration::from_millis(700), "the slow API server was quick");

    sandbox.planes().fault("lab", PlaneFault::None).await.unwrap();
    cluster.admin(&["get", "namespaces"]).expect_ok();

    let note = std::fs::read_to_string(sandbox.folder.path().join("state/planes/lab/kube-apiserver.pid")).unwrap();
    let pid = serde_json::from_str::<Value>(&note).unwrap()["pid"].to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    eventually(SOON, "the killed API server is gone", async || !cluster.admin(&["get", "--raw", "/version"]).ok).await;
    eventually(SOON, "it was started again", async || cluster.admin(&["get", "--raw", "/readyz"]).ok).await;
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_takes_up_its_clusters_again_and_forgets_deleted_ones() {
    let mut sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    cluster.apply(&namespace("kept"));
    let token = cluster.admin(&["create", "token", "default", "--duration=1h"]).expect_ok().trim().to_owned();
    let before = cluster.info.clone();
    let twice = sandbox.planes().create(spec("lab", "1.35")).await.unwrap_err().to_string();
    assert!(twice.contains("already"), "{twice}");
    let unsafe_name = sandbox.planes().create(spec("../lab", "1.35")).await.unwrap_err().to_string();
    assert!(unsafe_name.contains("not a cluster's name"), "{unsafe_name}");

    sandbox.restart().await;
    assert_eq!(sandbox.planes().status("lab"), PlaneStatus::Absent);
    let cluster = sandbox.cluster("lab", "1.35").await;
    assert_eq!(cluster.info, before, "endpoint and CA changed");
    assert!(cluster.admin(&["get", "namespace", "kept"]).ok, "the restart lost an object");
    let who = cluster.with_token(&token, &["auth", "whoami"]);
    assert!(who.out.contains("system:serviceaccount:default:default"), "a token from before no longer counts: {who:?}");

    sandbox.planes().delete("lab").await.unwrap();
    assert_eq!(sandbox.planes().status("lab"), PlaneStatus::Absent);
    let address = before.endpoint.strip_prefix("https://").unwrap();
    assert!(TcpStream::connect(address).is_err(), "a deleted cluster still answers");
    let again = sandbox.cluster("lab", "1.35").await;
    assert!(!again.admin(&["get", "namespace", "kept"]).ok, "a new cluster has what a deleted one stored");
    assert_ne!(again.info.ca_pem, before.ca_pem, "a new cluster has a deleted one's CA");
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_cannot_run_is_reported_with_its_last_words_until_it_can() {
    let turn = turn().await;
    let real = Programs::from_env().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kube = folder.path().join("kube");
    let write = |scheduler: &str| {
        let script = format!("#!/bin/sh\n[ \"$1\" = kube-scheduler ] && {{ {scheduler}; }}\nexec {} \"$@\"\n", real.kube.display());
        // Replaced whole: a script that is written while it runs is read from the middle.
        std::fs::write(kube.with_extension("new"), script).unwrap();
        std::fs::set_permissions(kube.with_extension("new"), Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(kube.with_extension("new"), &kube).unwrap();
    };
    write("echo the dog ate it; exit 1");
    let sandbox = Sandbox::start_with(turn, Programs { kube: kube.clone(), ..real.clone() }).await;
    sandbox.planes().create(spec("lab", "1.35")).await.unwrap();
    let failed = async || matches!(sandbox.planes().status("lab"), PlaneStatus::Failed(why) if why.contains("kube-scheduler") && why.contains("the dog ate it"));
    eventually(Duration::from_secs(60), "the failure is reported", failed).await;
    write("true");
    eventually(Duration::from_secs(150), "it recovers", async || sandbox.planes().status("lab") == PlaneStatus::Active).await;
    sandbox.planes().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sandboxes_do_not_get_into_each_others_way() {
    let sandbox = Sandbox::start().await;
    let open = async |state: std::path::PathBuf| {
        let config = PlanesConfig { state, gateway_port: sandbox.port, programs: sandbox.programs.clone() };
        Planes::start(config).await.err().unwrap().to_string()
    };
    let same = open(sandbox.folder.path().join("state")).await;
    assert!(same.contains("another sandbox uses the state folder"), "{same}");
    let busy = open(sandbox.folder.path().join("other")).await;
    assert!(busy.contains(&format!("port {}, needed for etcd, is busy", sandbox.port + 2)), "{busy}");
    sandbox.planes().shutdown().await;
}
