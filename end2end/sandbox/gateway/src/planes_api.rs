//! What the gateway asks of the Kubernetes side, so that tests of the AWS side can do without one.

use anyhow::Result;
use async_trait::async_trait;
pub use planes::{Instance, NodeGroup, NodeKind, PlaneFault, PlaneInfo, PlaneSpec, PlaneStatus, Taint};

/// Starts, watches and stops control planes and their nodes.
#[async_trait]
pub trait ControlPlanes: Send + Sync {
    /// Starts a plane, or takes up one that an earlier run left; answers before it is ready.
    async fn create(&self, spec: PlaneSpec) -> Result<PlaneInfo>;
    /// How the plane is.
    fn status(&self, name: &str) -> PlaneStatus;
    /// Restarts a plane as another minor version and waits until it answers.
    async fn update_version(&self, name: &str, version: &str) -> Result<()>;
    /// Stops a plane and forgets what it stored.
    async fn delete(&self, name: &str) -> Result<()>;
    /// Starts nodes and waits until they have joined.
    async fn add_nodes(&self, cluster: &str, group: NodeGroup) -> Result<()>;
    /// Stops some of a group's nodes and removes them from the cluster.
    async fn remove_nodes(&self, cluster: &str, group: &str, instances: &[Instance]) -> Result<()>;
    /// A kubeconfig, in JSON, with a break-glass administrator's certificate.
    fn kubeconfig(&self, name: &str) -> Result<String>;
    /// Makes something go wrong, or everything well again.
    async fn fault(&self, cluster: &str, fault: PlaneFault) -> Result<()>;
    /// Stops everything.
    async fn shutdown(&self);
}

#[async_trait]
impl ControlPlanes for planes::Planes {
    async fn create(&self, spec: PlaneSpec) -> Result<PlaneInfo> {
        self.create(spec).await
    }

    fn status(&self, name: &str) -> PlaneStatus {
        self.status(name)
    }

    async fn update_version(&self, name: &str, version: &str) -> Result<()> {
        self.update_version(name, version).await
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.delete(name).await
    }

    async fn add_nodes(&self, cluster: &str, group: NodeGroup) -> Result<()> {
        self.add_nodes(cluster, group).await
    }

    async fn remove_nodes(&self, cluster: &str, group: &str, instances: &[Instance]) -> Result<()> {
        self.remove_nodes(cluster, group, instances).await
    }

    fn kubeconfig(&self, name: &str) -> Result<String> {
        self.kubeconfig(name)
    }

    async fn fault(&self, cluster: &str, fault: PlaneFault) -> Result<()> {
        self.fault(cluster, fault).await
    }

    async fn shutdown(&self) {
        self.shutdown().await;
    }
}
