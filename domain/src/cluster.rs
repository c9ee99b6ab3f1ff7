//! EKS clusters as Slipway sees them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{AccountId, ClusterId},
    operation::ObjectKind,
    page::PageQuery,
    state::Tone,
    timestamp::Timestamp,
};

/// How Slipway and a cluster stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "cluster_state", rename_all = "snake_case"))]
pub enum ClusterState {
    /// Attached a moment ago: nothing is known yet.
    Connecting,
    /// Reached, and Slipway has all it needs.
    Connected,
    /// Reached, but Slipway is not mapped to a Kubernetes identity or lacks rights: `access` says what to do.
    NeedsAccess,
    /// The API server does not answer.
    Unreachable,
    /// EKS has no such cluster any more.
    Gone,
}

impl ClusterState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Connecting, Self::Connected, Self::NeedsAccess, Self::Unreachable, Self::Gone];

    /// As it is written in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::NeedsAccess => "needs_access",
            Self::Unreachable => "unreachable",
            Self::Gone => "gone",
        }
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::NeedsAccess => "Needs access",
            Self::Unreachable => "Unreachable",
            Self::Gone => "Gone",
        }
    }

    /// How pages show it.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Connecting => Tone::Busy,
            Self::Connected => Tone::Good,
            Self::NeedsAccess => Tone::Warn,
            Self::Unreachable | Self::Gone => Tone::Bad,
        }
    }
}

/// An EKS cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Cluster {
    pub id: ClusterId,
    pub name: String,
    pub account: AccountId,
    pub account_name: String,
    pub region: String,
    /// Its name in EKS.
    pub eks_name: String,
    pub arn: String,
    pub state: ClusterState,
    /// Why it is not connected, in a sentence.
    pub state_message: Option<String>,
    /// What AWS or Kubernetes said about that.
    pub state_raw: Option<String>,
    /// `1.35`
    pub kubernetes_version: Option<String>,
    /// `ACTIVE`, `UPDATING`, … as EKS says.
    pub eks_status: Option<String>,
    /// `API`, `API_AND_CONFIG_MAP` or `CONFIG_MAP`.
    pub authentication_mode: Option<String>,
    pub endpoint: Option<String>,
    /// Whether network policies have an effect here; absent until known.
    pub enforces_network_policies: Option<bool>,
    /// Since when it holds newer things than Slipway's database, and is left as it is until an admin has decided; absent while it is not so.
    pub read_only_since: Option<Timestamp>,
    pub access: Vec<ClusterCheck>,
    pub nodes: i64,
    pub ready_nodes: i64,
    pub zones: i64,
    pub capacity: Capacity,
    pub workspaces: i64,
    /// When the cluster was last heard of.
    pub synced_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// Where a cluster's API server is reached, as far as that is not what EKS says. What is left out is as EKS says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct ClusterConnection {
    /// `https://` and a host, with a port if it is not 443. Whoever is there receives Slipway's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The certificate authority that its certificate is checked by, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// The name its certificate has to carry, when that is not the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// A workspace or deployment of which a cluster holds a newer generation than the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewerThing {
    pub kind: ObjectKind,
    pub id: Uuid,
    pub name: String,
    pub workspace: String,
    /// The generation in the database.
    pub ours: i64,
    /// The generation in the cluster.
    pub there: i64,
}

/// One right Slipway needs in the cluster, and whether it has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct ClusterCheck {
    /// `create namespaces`
    pub right: String,
    pub purpose: String,
    pub allowed: bool,
}

/// What nodes offer to pods and what is asked for already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Capacity {
    pub cpu_millis: i64,
    pub memory_mib: i64,
    pub gpus: i64,
    pub pods: i64,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Node {
    pub name: String,
    pub zone: Option<String>,
    pub instance_type: Option<String>,
    pub node_group: Option<String>,
    pub ready: bool,
    /// False when it is cordoned: running pods stay, new ones go elsewhere.
    pub schedulable: bool,
    /// Why it is not ready.
    pub message: Option<String>,
    pub allocatable: Capacity,
    pub kubelet_version: String,
    pub created_at: Timestamp,
}

/// The list of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct ClusterQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only clusters in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
}

/// A cluster that EKS has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct FoundCluster {
    pub account: AccountId,
    pub account_name: String,
    pub region: String,
    pub eks_name: String,
    /// Its id here, when it is attached already.
    pub attached: Option<ClusterId>,
}

/// What EKS has, as far as it could be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct FoundClusters {
    pub clusters: Vec<FoundCluster>,
    /// Where Slipway could not look.
    pub unseen: Vec<UnseenRegion>,
}

/// A region of an account that Slipway could not look into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct UnseenRegion {
    pub account: AccountId,
    pub account_name: String,
    pub region: String,
    /// Why, in a sentence.
    pub message: String,
    /// What AWS said about that.
    pub raw: Option<String>,
}

/// Attaches a cluster that EKS has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewCluster {
    /// The account, by its id or name.
    pub account: String,
    pub region: String,
    pub eks_name: String,
    /// Its name here; its name in EKS when left out.
    #[serde(default)]
    pub name: Option<String>,
}

/// What an admin can do when Slipway has no access yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct AccessHelp {
    /// The IAM principal to map.
    pub principal_arn: String,
    /// The Kubernetes group it gets.
    pub group: String,
    /// Commands for the AWS CLI; absent where the authentication mode has no access entries.
    pub access_entry_commands: Option<String>,
    /// Commands that put the lines into the `aws-auth` ConfigMap, which they create where there is none, and apply the manifest; absent where the mode has no such ConfigMap.
    pub aws_auth_commands: Option<String>,
    /// Lines for the `aws-auth` ConfigMap, where the mode has it.
    pub aws_auth_lines: Option<String>,
    /// Slipway's ClusterRoles, bindings and its namespace, for `kubectl apply`.
    pub manifest: String,
    /// Whether Slipway's AWS role may set all of this up itself.
    pub one_click: bool,
}
