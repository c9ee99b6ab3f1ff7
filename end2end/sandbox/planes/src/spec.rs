//! What a caller says about control planes and nodes, and what it is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A control plane to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneSpec {
    /// The EKS cluster's name, which the plane goes by.
    pub name: String,
    /// The EKS cluster's ARN.
    pub arn: String,
    /// The cluster's region.
    pub region: String,
    /// The cluster's account.
    pub account: String,
    /// Kubernetes minor version, such as `1.35`.
    pub version: String,
}

/// Where a control plane will answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaneInfo {
    /// `https://127.0.0.1:PORT`
    pub endpoint: String,
    /// The PEM of the CA its certificate is from.
    pub ca_pem: String,
}

/// How a control plane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaneStatus {
    /// Starting for the first time in this run.
    Creating,
    /// Answering.
    Active,
    /// Restarting with another version.
    Updating,
    /// Not coming up, and why: the part that dies and its last words.
    Failed(String),
    /// There is none of that name.
    Absent,
}

/// Whether a node runs pods or only says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A kubelet on containerd. One per machine.
    Real,
    /// An API object kept alive.
    Simulated,
}

/// An EC2 instance that becomes a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// `i-…`
    pub instance_id: String,
    /// The node's name.
    pub private_dns_name: String,
    /// The node's internal address.
    pub private_ip: String,
    /// Availability zone.
    pub zone: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// Virtual CPUs of the type.
    pub vcpus: u32,
    /// Memory of the type, in MiB.
    pub memory_mib: u64,
    /// GPUs of the type.
    pub gpus: u32,
}

/// A Kubernetes taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Nodes to start in a cluster.
#[derive(Clone, Debug)]
pub struct NodeGroup {
    /// The node group's name.
    pub name: String,
    /// Real or simulated.
    pub kind: NodeKind,
    /// The instances that become nodes.
    pub instances: Vec<Instance>,
    /// Labels of every node.
    pub labels: BTreeMap<String, String>,
    /// Taints of every node.
    pub taints: Vec<Taint>,
    /// The IAM role the nodes join with.
    pub role_arn: String,
}

/// Something that goes wrong with a cluster on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaneFault {
    /// Nothing is wrong any more.
    None,
    /// The API server refuses connections.
    ApiServerDown,
    /// Everything the API server says arrives this many milliseconds late.
    ApiServerSlow(u64),
    /// A node stops reporting, as when its instance dies.
    NodeLost(String),
}
