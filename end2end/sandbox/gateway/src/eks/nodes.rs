//! The nodes of a group: more of them, fewer, or new ones.

use std::sync::Arc;

use super::instances;
use crate::clusters::{GroupState, NodeGroupRecord};
use crate::planes_api::{Instance, NodeGroup, NodeKind};
use crate::sandbox::Sandbox;

/// Starts instances and waits until they are nodes.
pub async fn grow(sandbox: &Sandbox, cluster: &str, name: &str, count: usize) -> anyhow::Result<()> {
    let Some(group) = group(sandbox, cluster, name) else { return Ok(()) };
    let started = instances::start(sandbox, cluster, name, &group, count).await?;
    change(sandbox, cluster, name, |group| group.instances.extend(started.iter().cloned()));
    sandbox.planes.add_nodes(cluster, node_group(name, &group, started)).await
}

/// A group with some of its instances, as the Kubernetes side wants it.
pub fn node_group(name: &str, group: &NodeGroupRecord, instances: Vec<Instance>) -> NodeGroup {
    NodeGroup { name: name.to_owned(), kind: group.kind, instances, labels: group.labels.clone(), taints: group.taints.clone(), role_arn: group.role_arn.clone() }
}

/// Brings a group to `wanted` nodes.
pub async fn resize(sandbox: &Sandbox, cluster: &str, name: &str, wanted: usize) -> anyhow::Result<()> {
    let Some(group) = group(sandbox, cluster, name) else { return Ok(()) };
    if wanted > group.instances.len() {
        return grow(sandbox, cluster, name, wanted - group.instances.len()).await;
    }
    let surplus = group.instances[wanted..].to_vec();
    shrink(sandbox, cluster, name, &surplus).await
}

async fn shrink(sandbox: &Sandbox, cluster: &str, name: &str, surplus: &[Instance]) -> anyhow::Result<()> {
    if surplus.is_empty() {
        return Ok(());
    }
    sandbox.planes.remove_nodes(cluster, name, surplus).await?;
    instances::end(&sandbox.cloud, surplus).await?;
    change(sandbox, cluster, name, |group| group.instances.retain(|instance| !surplus.contains(instance)));
    Ok(())
}

/// Replaces every node by a new one, as EKS does to bring a group to another version.
pub async fn replace(sandbox: &Sandbox, cluster: &str, name: &str) -> anyhow::Result<()> {
    let Some(group) = group(sandbox, cluster, name) else { return Ok(()) };
    let (old, count) = (&group.instances, group.instances.len());
    // A machine can only be one real node, so that one has to go before its successor comes.
    if group.kind == NodeKind::Real {
        shrink(sandbox, cluster, name, old).await?;
        return grow(sandbox, cluster, name, count).await;
    }
    grow(sandbox, cluster, name, count).await?;
    shrink(sandbox, cluster, name, old).await
}

/// Stops the nodes of a group that is to go, and forgets it.
pub async fn finish_deletion(sandbox: Arc<Sandbox>, cluster: String, name: String) {
    let Some(group) = group(&sandbox, &cluster, &name) else { return };
    let result = async {
        shrink(&sandbox, &cluster, &name, &group.instances).await?;
        instances::delete_profile(&sandbox.cloud, &group.instance_profile, &group.role_arn).await?;
        anyhow::Ok(())
    };
    match result.await {
        Ok(()) => {
            sandbox.book.change(|entries| entries.clusters.get_mut(&cluster).and_then(|record| record.node_groups.remove(&name)));
        }
        Err(error) => {
            tracing::error!(cluster, group = name, error = format!("{error:#}"), "the node group could not be deleted");
            set_state(&sandbox, &cluster, &name, GroupState::DeleteFailed(format!("{error:#}")));
        }
    }
}

/// What is kept about a group.
pub fn group(sandbox: &Sandbox, cluster: &str, name: &str) -> Option<NodeGroupRecord> {
    sandbox.book.read(|entries| entries.clusters.get(cluster)?.node_groups.get(name).cloned())
}

/// Changes what is kept about a group.
pub fn change(sandbox: &Sandbox, cluster: &str, name: &str, change: impl FnOnce(&mut NodeGroupRecord)) {
    sandbox.book.change(|entries| {
        if let Some(group) = entries.clusters.get_mut(cluster).and_then(|record| record.node_groups.get_mut(name)) {
            change(group);
        }
    });
}

/// Notes how far a group is, unless it is on its way out.
pub fn set_state(sandbox: &Sandbox, cluster: &str, name: &str, state: GroupState) {
    change(sandbox, cluster, name, |group| {
        if group.deleting.is_none() || matches!(state, GroupState::DeleteFailed(_)) {
            group.state = state;
        }
    });
}
