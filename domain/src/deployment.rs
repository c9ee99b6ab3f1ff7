//! Deployments, their revisions and what is seen of them in the cluster.

mod states;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ClusterId, DeploymentId, ModelId, OperationId, ReleaseId, TeamId, WorkspaceId},
    operation::ChangedField,
    page::PageQuery,
    serving::{ModelMetadata, Protocol},
    size::Size,
    state::Tone,
    timestamp::Timestamp,
};

pub use states::{DeploymentCounts, States};

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "deployment_state", rename_all = "snake_case"))]
pub enum DeploymentState {
    /// Accepted; nothing is in the cluster yet.
    Pending,
    /// Replicas of the wanted revision are coming up.
    RollingOut,
    /// Every wanted replica is ready.
    Live,
    /// It serves, but not with every wanted replica.
    Degraded,
    /// The wanted revision did not come up.
    Failed,
    /// Held as it is after a cancelled operation.
    Held,
    /// On its way out.
    Deleting,
}

impl DeploymentState {
    /// Every state.
    pub const ALL: [Self; 7] = [Self::Pending, Self::RollingOut, Self::Live, Self::Degraded, Self::Failed, Self::Held, Self::Deleting];

    /// As it is written in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RollingOut => "rolling_out",
            Self::Live => "live",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Deleting => "deleting",
        }
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Pending => "Starting",
            Self::RollingOut => "Rolling out",
            Self::Live => "Live",
            Self::Degraded => "Degraded",
            Self::Failed => "Failed",
            Self::Held => "On hold",
            Self::Deleting => "Deleting",
        }
    }

    /// Whether it is on its way somewhere.
    #[must_use]
    pub fn moves(self) -> bool {
        matches!(self, Self::Pending | Self::RollingOut | Self::Deleting)
    }

    /// Whether somebody should look at it.
    #[must_use]
    pub fn needs_a_look(self) -> bool {
        matches!(self, Self::Degraded | Self::Failed | Self::Held)
    }

    /// How pages show it.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Pending | Self::RollingOut | Self::Deleting => Tone::Busy,
            Self::Live => Tone::Good,
            Self::Degraded => Tone::Warn,
            Self::Failed => Tone::Bad,
            Self::Held => Tone::Idle,
        }
    }
}

/// A running model, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct DeploymentSummary {
    pub id: DeploymentId,
    pub name: String,
    pub team: TeamId,
    pub team_name: String,
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub model: ModelId,
    pub model_name: String,
    pub release: ReleaseId,
    pub release_number: i32,
    pub state: DeploymentState,
    /// What is the matter, in a few words, when it is not simply live.
    pub state_message: Option<String>,
    pub replicas: i32,
    /// Replicas that answer; while it rolls out, those of the wanted revision.
    pub ready_replicas: i32,
    pub size: Size,
    pub revision: i32,
    /// The earlier revision that answers while the wanted one does not; absent when the wanted one does, or nobody.
    pub still_serving: Option<StillServing>,
    pub changed_at: Timestamp,
}

impl DeploymentSummary {
    /// The earlier revision that serves in place of one that failed.
    #[must_use]
    pub fn served_instead(&self) -> Option<StillServing> {
        self.still_serving.filter(|_| self.state == DeploymentState::Failed)
    }

    /// How pages show it: something that serves is not simply failed.
    #[must_use]
    pub fn tone(&self) -> Tone {
        if self.served_instead().is_some() { Tone::Warn } else { self.state.tone() }
    }
}

/// A running model, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Deployment {
    #[serde(flatten)]
    pub summary: DeploymentSummary,
    pub protocol: Protocol,
    pub image: String,
    pub environment: Vec<Variable>,
    /// Where other pods of the team reach it.
    pub url: String,
    /// What the model says about itself, kept when it turned ready.
    pub metadata: Option<ModelMetadata>,
    pub pods: Vec<Pod>,
    /// Whether its cluster enforces the network policies of workspaces; null until that is known.
    pub network_policies_enforced: Option<bool>,
    /// Why nothing is changed on its cluster at present; absent while it may be.
    pub read_only: Option<String>,
    /// When the cluster was last heard of.
    pub synced_at: Option<Timestamp>,
    /// How many replicas somebody set in the cluster by hand, where that is not what is wanted.
    pub scaled_to: Option<i32>,
    /// What else others set or took away in the cluster of what was made for it.
    pub others: Vec<ChangedField>,
    /// The newest operation.
    pub operation: Option<OperationId>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// An earlier revision that answers in place of the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct StillServing {
    pub revision: i32,
    /// Its replicas that answer.
    pub ready: i64,
}

/// An environment variable. Not for secrets: whoever sees the team sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Variable {
    pub name: String,
    pub value: String,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Pod {
    pub name: String,
    /// The revision it runs.
    pub revision: i32,
    pub node: Option<String>,
    pub zone: Option<String>,
    /// `Pending`, `Running`, …
    pub phase: String,
    pub ready: bool,
    pub restarts: i32,
    /// What is the matter, as Kubernetes words it: `CrashLoopBackOff`, `OOMKilled`, …; `Terminating` where it was told to end.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// How the container ended last time.
    pub last_exit: Option<LastExit>,
    pub created_at: Timestamp,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct LastExit {
    pub reason: String,
    pub exit_code: i32,
    /// Its last words: the end of its log.
    pub last_words: Option<String>,
    pub finished_at: Option<Timestamp>,
}

/// An immutable record of one applied spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Revision {
    pub number: i32,
    pub release: ReleaseId,
    pub model_name: String,
    pub release_number: i32,
    pub size: Size,
    pub replicas: i32,
    pub environment: Vec<Variable>,
    /// The revision it was made from by a rollback.
    pub rolled_back_to: Option<i32>,
    /// Whether it took over fields that others had set in the cluster.
    pub take_over: bool,
    /// Whether the deployment was on hold until it was made.
    pub resumes: bool,
    pub reason: Option<String>,
    pub created_by: String,
    pub created_at: Timestamp,
    /// What differs from the revision before.
    pub changes: Vec<String>,
}

/// The list of deployments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct DeploymentQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only deployments in one of these states, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "native", param(value_type = Option<Vec<DeploymentState>>, style = Form, explode = false, max_items = 7))]
    pub state: Option<States>,
    /// Only deployments of this team, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Only deployments on this cluster, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Only deployments of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

/// Deploys a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewDeployment {
    pub release: ReleaseId,
    pub workspace: WorkspaceId,
    /// The model's name when left out.
    #[serde(default)]
    pub name: Option<String>,
    /// The release's own when left out.
    #[serde(default)]
    pub size: Option<Size>,
    /// 1 to 50; 1 when left out.
    #[serde(default)]
    pub replicas: Option<i32>,
    #[serde(default)]
    pub environment: Vec<Variable>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// Changes a deployment, as a new revision. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct DeploymentChange {
    #[serde(default)]
    pub release: Option<ReleaseId>,
    #[serde(default)]
    pub size: Option<Size>,
    #[serde(default)]
    pub replicas: Option<i32>,
    #[serde(default)]
    pub environment: Option<Vec<Variable>>,
    /// Takes over the fields that others set in the cluster, this once. Without it they are left to them, and the change fails.
    #[serde(default)]
    pub take_over: bool,
    #[serde(default)]
    pub reason: Option<String>,
}

/// Rolls back to an earlier revision, as a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Rollback {
    pub revision: i32,
    #[serde(default)]
    pub reason: Option<String>,
}

/// What will be made when the button is pressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct DeploymentPreview {
    /// Whether everything fits and nothing stands in the way.
    pub findings: Vec<Finding>,
    /// What differs from what is wanted now, in words; nothing for a new deployment.
    pub changes: Vec<String>,
    /// `Deployment iris-main`, `Service iris-main`, …
    pub objects: Vec<String>,
    /// The manifests, as YAML.
    pub manifests: String,
}

/// One thing checked before a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Finding {
    pub tone: FindingTone,
    pub title: String,
    pub detail: Option<String>,
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum FindingTone {
    Good,
    Warn,
    Bad,
}

/// Which logs to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct LogQuery {
    /// Only this replica's, by the pod's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Only lines with this text in them, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Goes on as lines are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
    /// How many lines of each replica to start with, 0 to 5000; 200 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<i64>,
    /// Begins with as many lines of the run before, of each replica whose container was started again. The cluster keeps no earlier ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<bool>,
}

/// One line that a replica wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct LogLine {
    pub pod: String,
    /// When it was written, as the node says.
    pub at: Option<Timestamp>,
    pub text: String,
}
