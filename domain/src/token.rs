//! API tokens: opaque, scoped, expiring, shown once, revocable.

use serde::{Deserialize, Serialize};

use crate::{
    access::TeamRole,
    ids::{TeamId, TokenId},
    timestamp::Timestamp,
};

/// Whose rights a token carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "token_kind", rename_all = "snake_case"))]
pub enum TokenKind {
    /// Its maker's rights of the moment, or fewer.
    #[default]
    Personal,
    /// One role in one team, whoever leaves it.
    Team,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub kind: TokenKind,
    /// The first characters, to recognize it by.
    pub prefix: String,
    pub team: Option<TeamId>,
    pub team_name: Option<String>,
    pub role: Option<TeamRole>,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// Makes a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewToken {
    pub name: String,
    #[serde(default)]
    pub kind: TokenKind,
    /// The only team it is good for, by its id or name. A team token needs one; a personal one without is as wide as its maker.
    #[serde(default)]
    pub team: Option<String>,
    /// The most it may do in that team.
    #[serde(default)]
    pub role: Option<TeamRole>,
    /// Days until it ends, 1 to 365.
    pub days: u16,
}

/// A new token with its secret, which is not kept and cannot be shown again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    pub token: Token,
    pub secret: String,
}
