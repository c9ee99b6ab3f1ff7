//! Operations: changes that are not instant.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{OperationId, TeamId},
    page::PageQuery,
    size::Size,
    state::Tone,
    timestamp::Timestamp,
};

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "operation_state", rename_all = "snake_case"))]
pub enum OperationState {
    Running,
    Succeeded,
    Failed,
    /// Held as it is, by a person's wish, until the next revision.
    Cancelled,
    /// A later change of the same thing took its place.
    Superseded,
}

impl OperationState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Superseded];

    /// As it is written in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::Superseded => "Superseded",
        }
    }

    /// How pages show it.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Running => Tone::Busy,
            Self::Succeeded => Tone::Good,
            Self::Failed => Tone::Bad,
            Self::Cancelled | Self::Superseded => Tone::Idle,
        }
    }

    /// Whether nothing more happens in it.
    #[must_use]
    pub fn is_over(self) -> bool {
        self != Self::Running
    }
}

/// The kind of thing an operation or an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "object_kind", rename_all = "snake_case"))]
pub enum ObjectKind {
    User,
    Team,
    Token,
    Invitation,
    Account,
    Cluster,
    Workspace,
    Model,
    Release,
    Deployment,
    Operation,
    Installation,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::User,
        Self::Team,
        Self::Token,
        Self::Invitation,
        Self::Account,
        Self::Cluster,
        Self::Workspace,
        Self::Model,
        Self::Release,
        Self::Deployment,
        Self::Operation,
        Self::Installation,
    ];

    /// In a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Token => "token",
            Self::Invitation => "invitation",
            Self::Account => "account",
            Self::Cluster => "cluster",
            Self::Workspace => "workspace",
            Self::Model => "model",
            Self::Release => "release",
            Self::Deployment => "deployment",
            Self::Operation => "operation",
            Self::Installation => "installation",
        }
    }
}

/// A change that is not instant, bound to one generation of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Operation {
    pub id: OperationId,
    /// What is being done, in words: `deploy`, `roll back`, `delete`, …
    pub verb: String,
    pub object_kind: ObjectKind,
    pub object_id: Uuid,
    /// Its own name at that time. A team's workspaces on several clusters may share one: `cluster_name` tells them apart.
    pub object_name: String,
    /// The cluster that a workspace or a deployment is on, by its name at that time; absent for what is on none.
    pub cluster_name: Option<String>,
    pub team: Option<TeamId>,
    pub team_name: Option<String>,
    pub generation: i64,
    pub state: OperationState,
    pub steps: Vec<OperationStep>,
    pub failure: Option<Failure>,
    pub started_by: String,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// What an accepted request set in motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Started {
    /// The operation to watch.
    pub operation: OperationId,
    /// The thing it is about.
    pub object: Uuid,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "step_state", rename_all = "snake_case"))]
pub enum StepState {
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct OperationStep {
    /// 1, 2, 3, …
    pub number: i32,
    /// `Apply as you`, `2 of 2 replicas ready`, …
    pub title: String,
    pub state: StepState,
    /// What goes on just now, or what came out.
    pub detail: Option<String>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// Why an operation failed: a cause, a place and a next action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Failure {
    /// A stable code: `out_of_memory`, `image_not_found`, …
    pub code: String,
    /// The cause in one sentence, in the reader's words.
    pub cause: String,
    /// What to do next.
    pub next: String,
    /// What Kubernetes, AWS or the container said.
    pub raw: Option<String>,
    /// What to try instead, where that is known.
    pub remedy: Option<Remedy>,
}

/// What would mend a failure: the same as its next action says, for forms and programs to fill in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Remedy {
    /// The size to change the deployment to.
    pub size: Option<Size>,
    /// The port to register another release with.
    pub port: Option<u16>,
    /// Whether to change the deployment to what it is, taking over what others set in the cluster.
    #[serde(default)]
    pub take_over: bool,
    /// What would be taken over: these fields, from these owners, and nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<ChangedField>,
}

/// A field of an object in a cluster that is not as Slipway set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct ChangedField {
    /// Of what kind the object is: `Deployment`, `ResourceQuota`, …
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// `.spec.replicas`
    pub field: String,
    /// Who set it, as Kubernetes words it: `"kubectl-edit" using apps/v1`; null where it was taken away.
    pub manager: Option<String>,
    /// What Slipway set; null where it set nothing, where that is not known, and of what pods are given, which may be secret.
    pub wanted: Option<String>,
    /// What is there instead; null where nothing is, where that is not known, and of what pods are given.
    pub found: Option<String>,
}

impl ChangedField {
    /// A field that somebody set.
    #[must_use]
    pub fn set_by(manager: impl Into<String>, field: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), field: field.into(), manager: Some(manager.into()), ..Self::default() }
    }

    /// Which it is: `.spec.replicas of Deployment iris`.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}{}", self.field, self.of())
    }

    /// Whose field it is, to follow its name: ` of Deployment iris`.
    #[must_use]
    pub fn of(&self) -> String {
        // What was written down by an earlier version does not say.
        if self.kind.is_empty() { String::new() } else { format!(" of {} {}", self.kind, self.name) }
    }

    /// What became of it: `set by "kubectl-edit" using apps/v1`.
    #[must_use]
    pub fn what(&self) -> String {
        self.manager.as_ref().map_or_else(|| "taken away".to_owned(), |manager| format!("set by {manager}"))
    }
}

impl Remedy {
    /// Change to this size.
    #[must_use]
    pub fn size(size: Size) -> Self {
        Self { size: Some(size), ..Self::default() }
    }

    /// Register a release with this port.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self { port: Some(port), ..Self::default() }
    }

    /// Take over what others set.
    #[must_use]
    pub fn take_over(fields: Vec<ChangedField>) -> Self {
        Self { take_over: true, fields, ..Self::default() }
    }
}

impl Failure {
    /// The beginning of the cause, for where the whole of it stands near by.
    #[must_use]
    pub fn brief(&self) -> &str {
        self.cause.find(". ").map_or(self.cause.as_str(), |end| &self.cause[..=end])
    }
}

/// The list of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct OperationQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only operations in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<OperationState>,
    /// Only operations about this kind of thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_kind: Option<ObjectKind>,
    /// Only operations about the thing with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Uuid>,
}
