//! Teams and their members.

use serde::{Deserialize, Serialize};

use crate::{
    access::TeamRole,
    ids::{TeamId, UserId},
    timestamp::Timestamp,
};

/// A group that owns models, workspaces and deployments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    pub description: String,
    /// The caller's role in it, if they are a member.
    pub your_role: Option<TeamRole>,
    pub members: i64,
    pub models: i64,
    pub workspaces: i64,
    pub deployments: i64,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Member {
    pub user: UserId,
    pub name: String,
    pub email: String,
    pub role: TeamRole,
    pub since: Timestamp,
}

/// Creates a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewTeam {
    /// Lower-case letters, digits and dashes; part of addresses.
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// The first owner's e-mail address; whoever creates the team when left out.
    #[serde(default)]
    pub owner: Option<String>,
}

/// Changes a team. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct TeamChange {
    #[serde(default)]
    pub description: Option<String>,
}

/// Adds a member or changes their role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct MemberChange {
    /// The member's e-mail address; they need to have an account.
    pub email: String,
    pub role: TeamRole,
}
