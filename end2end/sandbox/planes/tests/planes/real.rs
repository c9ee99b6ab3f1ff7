//! The real node: it joins as its instance, runs restricted pods, and is gone without a trace.

use std::path::Path;
use std::time::Duration;

use planes::{NodeKind, PlaneFault};
use serde_json::{Value, json};

use crate::support::{Sandbox, eventually, group, instance, namespace};

const SOON: Duration = Duration::from_secs(60);

/// A deployment of the one image a node has without pulling.
fn paused() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "paused", "namespace": "team" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "paused" } },
            "template": {
                "metadata": { "labels": { "app": "paused" } },
                "spec": {
                    "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [{
                        "name": "pause", "image": "slipway.sandbox/pause:1", "imagePullPolicy": "Never",
                        "resources": { "limits": { "memory": "32Mi" } },
                        "securityContext": { "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } },
                    }],
                },
            },
        },
    })
}

/// Command lines of this machine's processes that name a folder.
fn processes(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok());
    entries.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(folder.to_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_runs_restricted_pods_and_leaves_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("a real node needs root: not tried");
        return;
    }
    let mut sandbox = Sandbox::start().await;
    let cluster = sandbox.cluster("lab", "1.35").await;
    let (_, role) = sandbox.gateway.role_token("node", "unused");
    // Without access entries it is aws-auth that lets the node in, and EKS writes that itself.
    sandbox.gateway.set_access(json!({ "authenticationMode": "CONFIG_MAP", "entries": [], "creator": "" }));
    let mut workers = group("workers", vec![instance('a', 1, 0)]);
    workers.kind = NodeKind::Real;
    workers.role_arn = role;
    sandbox.planes().add_nodes("lab", workers.clone()).await.unwrap();

    let node = cluster.get(&["node", "ip-10-77-1-10.ec2.internal"]);
    assert_eq!(node["spec"]["providerID"], "aws:///us-east-1a/i-00000000000000001");
    assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/zone"], "us-east-1a");
    assert_eq!(node["metadata"]["labels"]["node.kubernetes.io/instance-type"], "m5.xlarge");
    let second = sandbox.planes().add_nodes("lab", workers).await.unwrap_err().to_string();
    assert!(second.contains("real node already"), "{second}");

    cluster.apply(&namespace("team"));
    cluster.admin(&["label", "namespace", "team", "pod-security.kubernetes.io/enforce=restricted"]).expect_ok();
    cluster.apply(&paused());
    let mut running = async || cluster.get(&["pods", "-n", "team"])["items"].as_array().unwrap().iter().filter(|pod| pod["status"]["phase"] == "Running").count() == 2;
    eventually(SOON, "both pods run", &mut running).await;
    cluster.admin(&["logs", "-n", "team", "deploy/paused"]).expect_ok();

    sandbox.planes().fault("lab", PlaneFault::NodeLost("ip-10-77-1-10.ec2.internal".into())).await.unwrap();
    assert!(!cluster.admin(&["logs", "-n", "team", "deploy/paused"]).ok, "a lost node still gives logs");
    sandbox.planes().fault("lab", PlaneFault::None).await.unwrap();
    eventually(SOON, "the node is found again", async || cluster.admin(&["logs", "-n", "team", "deploy/paused"]).ok).await;
    assert!(running().await, "pods go on while their node is silent");

    assert!(Path::new("/sys/class/net/slipway0").exists());
    assert!(!processes(sandbox.folder.path()).is_empty());

    sandbox.stop().await;
    assert_eq!(processes(sandbox.folder.path()), Vec::<String>::new(), "processes are left");
    for left in ["/sys/class/net/slipway0", "/run/slipway-sandbox", "/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/memory/kubepods"] {
        assert!(!Path::new(left).exists(), "{left} is left");
    }
}
