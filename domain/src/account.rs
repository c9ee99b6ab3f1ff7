//! AWS accounts: how Slipway gets in, what it may do there, and whose repositories are whose.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, TeamId},
    page::PageQuery,
    timestamp::Timestamp,
};

/// An AWS account that Slipway works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// Twelve digits; empty until the first check told.
    pub aws_account_id: String,
    /// The role to assume; absent when the process's own credentials are used as they are.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy has to ask for.
    pub external_id: String,
    pub regions: Vec<String>,
    pub checks: Vec<AccountCheck>,
    /// Why the last check could not be made at all.
    pub check_error: Option<String>,
    /// What AWS said about that.
    pub check_error_raw: Option<String>,
    pub checked_at: Option<Timestamp>,
    pub clusters: i64,
    pub prefixes: Vec<GrantedPrefix>,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// One thing Slipway needs in the account, and whether it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct AccountCheck {
    /// The IAM action: `eks:DescribeCluster`.
    pub action: String,
    /// What Slipway needs it for, in a few words.
    pub purpose: String,
    pub verdict: Verdict,
    /// What AWS said when it is not allowed.
    pub detail: Option<String>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub enum Verdict {
    Allowed,
    Denied,
    /// AWS did not let Slipway find out.
    Unknown,
}

/// A prefix of ECR repository names that a team may release from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct GrantedPrefix {
    pub prefix: String,
    pub team: TeamId,
    pub team_name: String,
}

/// What a team may release from in one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct TeamRepositories {
    pub account: AccountId,
    pub account_name: String,
    /// Where Slipway looks for them.
    pub regions: Vec<String>,
    /// What the names of the team's repositories begin with.
    pub prefixes: Vec<String>,
}

/// Adds an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewAccount {
    pub name: String,
    /// The role to assume; left out, the process's own credentials are used as they are.
    #[serde(default)]
    pub role_arn: Option<String>,
    pub regions: Vec<String>,
}

/// What to copy into IAM so that Slipway may do its work in the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct AccountPolicy {
    /// The role or user that Slipway itself runs as; absent when it has no AWS credentials at the moment.
    pub principal: Option<String>,
    /// Why the principal is not known.
    pub principal_error: Option<String>,
    /// What the account's role, or Slipway itself when no role is assumed, has to be allowed.
    pub permissions: serde_json::Value,
    /// The role's trust policy; absent when no role is assumed or the principal is not known.
    pub trust: Option<serde_json::Value>,
    /// What Slipway itself has to be allowed to assume the role; absent when no role is assumed.
    pub assume: Option<serde_json::Value>,
}

/// Changes an account. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct AccountChange {
    /// An empty text goes back to the process's own credentials.
    #[serde(default)]
    pub role_arn: Option<String>,
    #[serde(default)]
    pub regions: Option<Vec<String>>,
}

/// Gives a prefix to a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewPrefix {
    /// `forecasting/`
    pub prefix: String,
    /// The team, by its id or name.
    pub team: String,
}

/// Takes a prefix back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct RemovedPrefix {
    /// `forecasting/`
    pub prefix: String,
}

/// The list of repositories that a team may release from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct RepositoryQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// The team, by its id or name.
    pub team: String,
    /// Only repositories of this AWS account, by its id or its name here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only repositories of this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// The list of images in a repository that a team may release from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct ImageQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// The team, by its id or name.
    pub team: String,
    /// The AWS account, by its id or name; may be left out when the team's prefixes name one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// May be left out when the account has one region only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `forecasting/iris`
    pub repository: String,
}

/// A repository that a team may release from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Repository {
    pub account: AccountId,
    pub account_name: String,
    pub region: String,
    pub name: String,
}

/// An image in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Image {
    pub digest: String,
    pub tags: Vec<String>,
    pub pushed_at: Option<Timestamp>,
    /// Bytes, compressed, as ECR counts them.
    pub size_bytes: Option<i64>,
}
