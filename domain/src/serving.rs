//! How a model is talked to.

use serde::{Deserialize, Serialize};

/// The protocol that a model's server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(type_name = "protocol", rename_all = "snake_case"))]
pub enum Protocol {
    /// The Open Inference Protocol, version 2: <https://github.com/open-inference/open-inference-protocol>.
    #[default]
    OpenInferenceV2,
    /// Any HTTP server: no form from metadata, requests go to a path the caller names.
    Http,
}

impl Protocol {
    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::OpenInferenceV2 => "Open Inference Protocol v2",
            Self::Http => "Plain HTTP",
        }
    }

    /// The path that says whether the model is ready.
    #[must_use]
    pub fn health_path(self) -> &'static str {
        match self {
            Self::OpenInferenceV2 => "/v2/health/ready",
            Self::Http => "/",
        }
    }
}

/// What a model says about itself (`GET /v2/models/{name}`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct ModelMetadata {
    pub name: String,
    #[serde(default)]
    pub versions: Vec<String>,
    #[serde(default)]
    pub platform: String,
    pub inputs: Vec<TensorMetadata>,
    #[serde(default)]
    pub outputs: Vec<TensorMetadata>,
}

/// One input or output of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct TensorMetadata {
    pub name: String,
    /// `FP32`, `INT64`, `BYTES`, …
    pub datatype: String,
    /// -1 where any size fits.
    pub shape: Vec<i64>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub parameters: serde_json::Value,
}

/// A request to a model, as `POST /api/v1/deployments/{id}/predict` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct PredictRequest {
    /// The body that the model gets, as its protocol wants it.
    pub body: serde_json::Value,
    /// The path, for models that speak plain HTTP.
    #[serde(default)]
    pub path: Option<String>,
}

/// A model's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "native", derive(utoipa::ToSchema))]
pub struct Prediction {
    /// The HTTP status the model answered with.
    pub status: u16,
    /// JSON where the model answered JSON, its text otherwise.
    pub body: serde_json::Value,
    /// From the first byte sent to the last received, without the time it took to reach the pod.
    pub latency_ms: f64,
    /// The pod that answered.
    pub pod: String,
    pub revision: i32,
}
