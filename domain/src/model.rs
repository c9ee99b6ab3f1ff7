//! Models and their releases.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, ModelId, ReleaseId, TeamId},
    page::PageQuery,
    serving::Protocol,
    size::Size,
    timestamp::Timestamp,
};

/// A named model of a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Model {
    pub id: ModelId,
    pub name: String,
    pub description: String,
    pub team: TeamId,
    pub team_name: String,
    pub releases: i64,
    /// The newest release's number.
    pub latest_release: Option<i32>,
    pub deployments: i64,
    pub created_at: Timestamp,
    /// Rises with every change; the `ETag`.
    pub version: i64,
}

/// An immutable version of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Release {
    pub id: ReleaseId,
    pub model: ModelId,
    pub model_name: String,
    pub team: TeamId,
    pub team_name: String,
    /// 1, 2, 3, … within the model.
    pub number: i32,
    pub account: AccountId,
    pub region: String,
    pub repository: String,
    pub tag: String,
    /// What the tag pointed at when the release was registered; this is what runs.
    pub digest: String,
    /// The number of the model's first release with the very same image, when that is another one.
    pub same_as: Option<i32>,
    /// Where a node pulls it from: `123456789012.dkr.ecr.us-east-1.amazonaws.com/forecasting/iris`.
    pub repository_uri: String,
    pub port: u16,
    pub health_path: String,
    pub protocol: Protocol,
    /// The size that suits it.
    pub size: Size,
    pub notes: String,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// The list of models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct ModelQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only models of this team, by its id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// The list of releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "native", into_params(parameter_in = Query))]
pub struct ReleaseQuery {
    #[serde(flatten)]
    #[cfg_attr(feature = "native", param(inline, required = false))]
    pub page: PageQuery,
    /// Only releases of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

/// Creates a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewModel {
    /// The team, by its id or name.
    pub team: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
}

/// Changes a model. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct ModelChange {
    #[serde(default)]
    pub description: Option<String>,
}

/// Registers a release: the tag is resolved to its digest now and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct NewRelease {
    pub model: ModelId,
    /// The AWS account, by its id or name; may be left out when the team has repositories in one only.
    #[serde(default)]
    pub account: Option<String>,
    /// May be left out when the account has one region only.
    #[serde(default)]
    pub region: Option<String>,
    /// `forecasting/iris`
    pub repository: String,
    pub tag: String,
    /// The port the model listens on; 8080 when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// Answers 200 when the model is ready; the protocol's own when left out.
    #[serde(default)]
    pub health_path: Option<String>,
    #[serde(default)]
    pub protocol: Protocol,
    /// The size that suits it; small when left out.
    #[serde(default)]
    pub size: Option<Size>,
    #[serde(default)]
    pub notes: String,
}
