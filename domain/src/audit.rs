//! Audit events: who did what, through which door, and what changed.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{EventId, TeamId},
    operation::ObjectKind,
    page::PageQuery,
    state::Tone,
    timestamp::Timestamp,
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "event_outcome", rename_all = "snake_case"))]
pub enum Outcome {
    /// It was done, in the same transaction as the event.
    Done,
    /// It was accepted; a later event carries what came of it.
    Accepted,
    /// It was refused.
    Refused,
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Done, Self::Accepted, Self::Refused, Self::Failed];

    /// As it is written in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Accepted => "Accepted",
            Self::Refused => "Refused",
            Self::Failed => "Failed",
        }
    }

    /// How pages show it.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Done => Tone::Good,
            Self::Accepted => Tone::Idle,
            Self::Refused => Tone::Warn,
            Self::Failed => Tone::Bad,
        }
    }
}

/// Through which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "event_source", rename_all = "snake_case"))]
pub enum Source {
    Page,
    Api,
    Cli,
    Worker,
}

impl Source {
    /// In a sentence: `from a page`.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Page => "from a page",
            Self::Api => "over the API",
            Self::Cli => "on the command line",
            Self::Worker => "by Slipway at work",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "actor_kind", rename_all = "snake_case"))]
pub enum ActorKind {
    Anonymous,
    User,
    Token,
    /// Slipway itself: heals, schedules, the command line.
    System,
}

/// One thing that happened. Events never change; each is sealed into a chain of hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    pub id: EventId,
    pub at: Timestamp,
    pub actor_kind: ActorKind,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub source: Source,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// `deployment.roll_back`
    pub action: String,
    pub outcome: Outcome,
    pub object_kind: ObjectKind,
    pub object_id: Option<Uuid>,
    pub object_name: Option<String>,
    pub team: Option<TeamId>,
    pub team_name: Option<String>,
    pub reason: Option<String>,
    /// What changed, field by field; secrets never.
    pub changes: Vec<Change>,
    /// The place in the sealed chain; absent for the moment until it is sealed.
    pub sequence: Option<i64>,
    /// The hash, in hexadecimal, of this event and the one before.
    pub hash: Option<String>,
}

/// One field's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Change {
    pub field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}

/// The list of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct AuditQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only events with this outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Only events about this kind of thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_kind: Option<ObjectKind>,
    /// Only events about the thing with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Uuid>,
    /// Only what this person did, in person or with a token that is known still, or what this token did; by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<Uuid>,
    /// Only events of this action: `deployment.change`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only events of this team, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Only events of this day (`2026-12-01`, in UTC) or moment (RFC 3339) and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only events until the end of this day, in UTC, or before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}
