//! Simulated nodes: API objects that kwok keeps alive. They attract pods, and the
//! pods turn Ready, but nothing runs and nobody answers.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::Api;
use crate::labels::{self, Size};
use crate::plane::Plane;
use crate::spec::{Instance, NodeGroup};
use crate::wait;

/// Only nodes with this label are kept alive.
pub(crate) const LABEL: &str = "sandbox.slipway/simulated";

/// Adds the nodes and waits until they are ready.
pub(crate) async fn add(plane: &Plane, group: &NodeGroup) -> Result<()> {
    let spec = plane.spec();
    let kubelet = spec.version.parse::<crate::version::Minor>()?.kubelet();
    for instance in &group.instances {
        plane.api().ensure("/api/v1/nodes", &object(instance, group, &spec.region, &kubelet)).await.with_context(|| format!("adding node {}", instance.private_dns_name))?;
    }
    plane.simulate_nodes().await?;
    for instance in &group.instances {
        wait_ready(plane.api(), &instance.private_dns_name).await?;
    }
    Ok(())
}

/// Waits until a node says that it is ready.
pub(crate) async fn wait_ready(api: &Api, node: &str) -> Result<()> {
    let path = format!("/api/v1/nodes/{node}");
    wait::until(Duration::from_secs(120), &[], || async { api.get(&path).await.ok().flatten().is_some_and(|node| is_ready(&node)) })
        .await
        .with_context(|| format!("node {node} did not become ready"))
}

fn is_ready(node: &Value) -> bool {
    node["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}

/// Lets a node go silent: kwok leaves it alone from now on, and Kubernetes notices
/// when its lease runs out.
pub(crate) async fn lose(api: &Api, node: &str) -> Result<()> {
    api.patch(&format!("/api/v1/nodes/{node}"), &json!({ "metadata": { "labels": { LABEL: "lost" } } })).await
}

/// Brings back every node that was lost.
pub(crate) async fn find_lost(api: &Api) -> Result<()> {
    for name in names(api, "lost").await? {
        api.patch(&format!("/api/v1/nodes/{name}"), &json!({ "metadata": { "labels": { LABEL: "true" } } })).await?;
    }
    Ok(())
}

/// Takes the nodes' leases from a kwok that is gone. The next one would wait until they
/// run out, and nothing would happen on the nodes meanwhile.
pub(crate) async fn release(api: &Api) -> Result<()> {
    for name in names(api, "true").await? {
        api.delete(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")).await?;
    }
    Ok(())
}

/// The nodes whose label has this value.
async fn names(api: &Api, value: &str) -> Result<Vec<String>> {
    let found = api.get(&format!("/api/v1/nodes?labelSelector={}%3D{value}", LABEL.replace('/', "%2F"))).await?.unwrap_or_default();
    Ok(found["items"].as_array().into_iter().flatten().filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

fn object(instance: &Instance, group: &NodeGroup, region: &str, kubelet: &str) -> Value {
    let size = Size::of(instance);
    let name = &instance.private_dns_name;
    let mut labels = labels::of(instance, group, region);
    for (key, value) in [("kubernetes.io/hostname", name.as_str()), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "amd64"), (LABEL, "true")] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": labels },
        "spec": { "providerID": labels::provider_id(instance), "taints": labels::taints(&group.taints) },
        "status": {
            "capacity": size.capacity,
            "allocatable": size.allocatable,
            "addresses": [
                { "type": "InternalIP", "address": instance.private_ip },
                { "type": "InternalDNS", "address": name },
                { "type": "Hostname", "address": name },
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "simulated",
                "kernelVersion": "simulated",
                "containerRuntimeVersion": "kwok://0.8.0",
                "kubeletVersion": kubelet,
                "kubeProxyVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        },
    })
}
