//! People, how they sign in and how they come in.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    access::{PlatformRole, TeamRole},
    ids::{LinkId, SessionId, TeamId, UserId},
    page::PageQuery,
    timestamp::Timestamp,
};

/// A person, as an admin sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub platform_role: Option<PlatformRole>,
    /// A disabled user cannot sign in; their tokens and sessions are dead.
    pub disabled: bool,
    pub teams: Vec<UserTeam>,
    pub last_seen_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// A team that a user is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct UserTeam {
    pub id: TeamId,
    pub name: String,
    pub role: TeamRole,
    /// Whether they own it and nobody else who does can sign in: while they are disabled, the team is without an owner.
    pub sole_owner: bool,
}

/// The list of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct UserQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only users with this platform role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_role: Option<PlatformRole>,
    /// Only users who can sign in, or only those who cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<UserState>,
}

/// Whether a user can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum UserState {
    Active,
    Disabled,
}

/// Changes a user. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct UserChange {
    #[serde(default)]
    pub name: Option<String>,
    /// `admin` or `auditor`; `none` takes the role away, and so does null, which is how a person without one is shown.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "null_takes_away")]
    pub platform_role: Option<PlatformRoleChange>,
    #[serde(default)]
    pub disabled: Option<bool>,
}

fn null_takes_away<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PlatformRoleChange>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(PlatformRoleChange::None)))
}

/// A platform role to give, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum PlatformRoleChange {
    None,
    Auditor,
    Admin,
}

/// Invites a person by a link that works once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewInvitation {
    pub email: String,
    #[serde(default)]
    pub platform_role: Option<PlatformRole>,
    /// The team they join, by its id or name.
    #[serde(default)]
    pub team: Option<String>,
    /// Their role in that team; viewer when left out.
    #[serde(default)]
    pub team_role: Option<TeamRole>,
    /// What becomes of an open invitation of the same address.
    #[serde(default)]
    pub earlier: Earlier,
}

/// What becomes of an invitation that was not used yet, when the same address is invited again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum Earlier {
    /// It stays, and nobody is invited again.
    #[default]
    Keep,
    /// Its link stops working.
    Replace,
}

/// An invitation as it is shown, once, to the admin who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Invitation {
    pub id: LinkId,
    pub email: String,
    /// The one-time link. It is not kept and cannot be shown again.
    pub url: String,
    pub expires_at: Timestamp,
}

/// An invitation that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct OpenInvitation {
    pub id: LinkId,
    pub email: String,
    pub platform_role: Option<PlatformRole>,
    pub team: Option<TeamId>,
    pub team_name: Option<String>,
    pub team_role: Option<TeamRole>,
    pub invited_by: String,
    pub expires_at: Timestamp,
}

impl OpenInvitation {
    /// What it gives, in words.
    #[must_use]
    pub fn gives(&self) -> String {
        let platform = self.platform_role.map(|role| match role {
            PlatformRole::Admin => "platform admin",
            PlatformRole::Auditor => "auditor",
        });
        let team = self.team_name.as_ref().zip(self.team_role).map(|(team, role)| format!("{} in {team}", role.as_str()));
        match (platform, team) {
            (Some(platform), Some(team)) => format!("{platform}, {team}"),
            (Some(platform), None) => platform.to_owned(),
            (None, Some(team)) => team,
            (None, None) => "an account".to_owned(),
        }
    }
}

/// What a one-time link says before it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    pub purpose: LinkPurpose,
    /// Empty for the first admin, who chooses it.
    pub email: String,
    pub platform_role: Option<PlatformRole>,
    pub team: Option<String>,
    pub team_role: Option<TeamRole>,
    /// Who made the link.
    pub made_by: String,
    pub expires_at: Timestamp,
}

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "link_purpose", rename_all = "snake_case"))]
pub enum LinkPurpose {
    FirstAdmin,
    Invitation,
    PasswordReset,
}

/// The caller, as `GET /api/v1/me` and the pages show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Me {
    pub id: Option<UserId>,
    pub email: Option<String>,
    pub name: String,
    pub platform_role: Option<PlatformRole>,
    pub teams: Vec<UserTeam>,
}

/// A new password of one's own. It is never shown, not even to whoever debugs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewPassword {
    pub current_password: String,
    pub new_password: String,
}

/// What came of a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct PasswordChanged {
    /// How many other sessions of yours ended with it.
    pub sessions_ended: u64,
}

/// A signed-in browser, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Session {
    pub id: SessionId,
    /// What the browser called itself.
    pub user_agent: String,
    /// The network address it was opened from.
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}
