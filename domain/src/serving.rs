//! How a model is talked to.

use serde::{Deserialize, Serialize};

use crate::names::is_deceptive;

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

/// The most of a model's cause that is repeated in a sentence.
const MAX_CAUSE: usize = 300;

impl Prediction {
    /// Why the model refused or failed, in its own words: one bounded line of plain text. None where it gave no reason that people read.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        let said = match &self.body {
            serde_json::Value::String(text) => text.as_str(),
            object => reason(object)?,
        };
        let mut cause = String::new();
        for character in said.split_whitespace().flat_map(|word| [' '].into_iter().chain(word.chars())).skip(1).filter(|c| !is_deceptive(*c)) {
            if cause.len() + character.len_utf8() > MAX_CAUSE {
                cause.push('…');
                break;
            }
            cause.push(character);
        }
        // Pages are for browsers; what they say of a cause is among styles and scripts.
        (!cause.is_empty() && !cause.starts_with('<')).then_some(cause)
    }
}

/// Where servers of models put it: `error` as the Open Inference Protocol says, or what others call it.
fn reason(object: &serde_json::Value) -> Option<&str> {
    let fields = ["error", "detail", "message", "msg", "reason"];
    fields.iter().find_map(|field| match object.get(field)? {
        serde_json::Value::String(text) => Some(text.as_str()),
        serde_json::Value::Array(items) => items.iter().find_map(|item| item.as_str().or_else(|| reason(item))),
        inner => reason(inner),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cause(body: Value) -> Option<String> {
        Prediction { status: 400, body, latency_ms: 1.0, pod: "iris-1".into(), revision: 1 }.cause()
    }

    #[test]
    fn a_model_s_cause_is_found_where_servers_put_it() {
        for body in [
            json!({ "error": "wrong shape" }),
            json!({ "detail": "wrong shape" }),
            json!({ "error": { "code": 3, "message": "wrong shape" } }),
            json!({ "detail": [{ "loc": ["body"], "msg": "wrong shape" }, { "msg": "another" }] }),
            json!("  wrong\r\n\tshape\u{202e}\u{0} "),
        ] {
            assert_eq!(cause(body.clone()).as_deref(), Some("wrong shape"), "{body}");
        }
    }

    #[test]
    fn what_is_no_reason_is_none() {
        for body in [json!(null), json!(7), json!([1, 2]), json!({}), json!({ "error": null }), json!({ "error": 5 }), json!(" \n"), json!("<!doctype html><h1>Bad Gateway</h1>")] {
            assert_eq!(cause(body.clone()), None, "{body}");
        }
    }

    #[test]
    fn a_cause_is_one_bounded_line() {
        let long = cause(json!({ "error": "ä ".repeat(100_000) })).unwrap();
        assert!(long.len() <= MAX_CAUSE + '…'.len_utf8() && long.ends_with('…'), "{long}");
        assert!(!cause(json!("Traceback\n  File \"x\"\n")).unwrap().contains('\n'));
        let nested = (0..100).fold(json!("deep"), |inner, _| json!({ "error": inner }));
        assert_eq!(cause(nested).as_deref(), Some("deep"));
    }
}
