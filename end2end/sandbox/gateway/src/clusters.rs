//! What is kept about each cluster beside the emulator's own record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::planes_api::{Instance, NodeKind, Taint};

/// A cluster as the gateway drives it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterRecord {
    /// The cluster's ARN.
    pub arn: String,
    /// The region it was created in.
    pub region: String,
    /// The version its control plane really runs.
    pub version: String,
    /// The IAM identity that created it.
    pub creator: String,
    /// Whether the creator is an administrator of it.
    pub creator_is_admin: bool,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub authentication_mode: String,
    /// Where its API server is.
    pub endpoint: String,
    /// The PEM of its API server's CA.
    pub ca_pem: String,
    /// The description to show while it is being deleted; the emulator forgets at once.
    pub deleting: Option<Value>,
    /// Updates of control plane and node groups, by id.
    pub updates: BTreeMap<String, Progress>,
    /// Its node groups.
    pub node_groups: BTreeMap<String, NodeGroupRecord>,
}

/// A node group as the gateway drives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeGroupRecord {
    /// The Kubernetes version of its nodes.
    pub version: String,
    /// Real or simulated nodes.
    pub kind: NodeKind,
    /// The instances it has now.
    pub instances: Vec<Instance>,
    /// The role they join with.
    pub role_arn: String,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
    /// Their taints.
    pub taints: Vec<Taint>,
    /// The instance types to choose from.
    pub instance_types: Vec<String>,
    /// The subnets to spread over.
    pub subnets: Vec<String>,
    /// The instance profile that gives the role to its instances.
    pub instance_profile: String,
    /// Name of the Auto Scaling group that EKS shows for it.
    pub auto_scaling_group: String,
    /// How far it is.
    pub state: GroupState,
    /// The description to show while it is being deleted.
    pub deleting: Option<Value>,
}

/// How far a node group is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupState {
    /// Its first nodes are starting.
    Creating,
    /// Its nodes have joined.
    Active,
    /// It is growing or shrinking.
    Updating,
    /// Its nodes are stopping.
    Deleting,
    /// Its first nodes did not start, and why.
    CreateFailed(String),
    /// It could not grow or shrink, and why.
    Degraded(String),
    /// It could not be deleted, and why.
    DeleteFailed(String),
}

impl GroupState {
    /// The status EKS shows.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::CreateFailed(_) => "CREATE_FAILED",
            Self::Degraded(_) => "DEGRADED",
            Self::DeleteFailed(_) => "DELETE_FAILED",
        }
    }

    /// What is wrong, if something is.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::CreateFailed(why) | Self::Degraded(why) | Self::DeleteFailed(why) => Some(why),
            Self::Creating | Self::Active | Self::Updating | Self::Deleting => None,
        }
    }
}

/// How far an update is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Under way.
    InProgress,
    /// Done.
    Successful,
    /// Not done, and why.
    Failed(String),
}

impl Progress {
    /// The status EKS shows.
    pub fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed(_) => "Failed",
        }
    }
}
