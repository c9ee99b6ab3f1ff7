//! Workspaces: a team's namespaces, with quota and defaults.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ClusterId, TeamId, WorkspaceId},
    page::PageQuery,
    timestamp::Timestamp,
};

/// How a workspace stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "workspace_state", rename_all = "snake_case"))]
pub enum WorkspaceState {
    /// Being made or changed.
    Preparing,
    /// Everything of it is in the cluster.
    Ready,
    /// It could not be made: the message says why.
    Failed,
    /// On its way out.
    Deleting,
}

/// A team's namespace on one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Workspace {
    pub id: WorkspaceId,
    /// The name of its namespace.
    pub name: String,
    pub team: TeamId,
    pub team_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub region: String,
    pub state: WorkspaceState,
    pub state_message: Option<String>,
    /// Whether the namespace was there before Slipway.
    pub adopted: bool,
    pub quota: Quota,
    /// What its deployments ask for.
    pub used: Quota,
    pub deployments: i64,
    pub synced_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// The most that all pods of a workspace may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Quota {
    /// Thousandths of a CPU.
    pub cpu_millis: i64,
    /// MiB.
    pub memory_mib: i64,
    #[serde(default)]
    pub gpus: i64,
    pub pods: i64,
}

/// The list of workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct WorkspaceQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only workspaces of this team, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Only workspaces on this cluster, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// Makes a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewWorkspace {
    /// The name of its namespace.
    pub name: String,
    /// The team, by its id or name.
    pub team: String,
    /// The cluster, by its id or name.
    pub cluster: String,
    pub quota: Quota,
    /// Whether a namespace that exists already may be taken over.
    #[serde(default)]
    pub adopt: Adopt,
}

/// Whether an existing namespace may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum Adopt {
    #[default]
    Never,
    /// What is in it stays; Slipway adds its quota, policies and bindings.
    Existing,
}

/// Changes a workspace. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct WorkspaceChange {
    #[serde(default)]
    pub quota: Option<Quota>,
}
