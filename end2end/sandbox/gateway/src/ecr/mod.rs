//! ECR: authorization, addresses that clients can reach, and the registry itself.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::answer::AwsError;
use crate::authorize::{Verdict, Wish, authorize};
use crate::book::RegistryToken;
use crate::call::{self, ECR_TARGET, Scope};
use crate::eks::{failed, principal_of};
use crate::principals::Principal;
use crate::proxy;
use crate::sandbox::Sandbox;

pub mod blobs;
mod layers;
pub mod registry;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The digest of some content, as registries write it.
fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}

/// ECR's own calls for layers; the registry is where the sandbox takes them.
const LAYER_CALLS: [&str; 5] = ["BatchCheckLayerAvailability", "CompleteLayerUpload", "GetDownloadUrlForLayer", "InitiateLayerUpload", "UploadLayerPart"];

/// Answers a call to ECR's API.
pub async fn answer(sandbox: &Arc<Sandbox>, scope: &Scope, parts: Parts, body: Bytes) -> Response<Body> {
    match try_answer(sandbox, scope, parts, body).await {
        Ok(response) => response,
        Err(error) => error.answer("ecr"),
    }
}

async fn try_answer(sandbox: &Arc<Sandbox>, scope: &Scope, parts: Parts, bytes: Bytes) -> Result<Response<Body>, AwsError> {
    let action = call::header(&parts.headers, "x-amz-target")
        .and_then(|target| target.strip_prefix(ECR_TARGET))
        .ok_or_else(|| AwsError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", "this is no ECR call"))?
        .to_owned();
    if let Some(error) = sandbox.faults.strike("ecr", &action).await {
        return Err(error);
    }
    let principal = principal_of(sandbox, &scope.key).await?;
    let body: Value = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).map_err(|error| AwsError::new(StatusCode::BAD_REQUEST, "SerializationException", format!("the body is not JSON: {error}")))?,
    };
    for wish in wishes(sandbox, &scope.region, &action, &body) {
        if let Verdict::Denied(sentence) = authorize(&sandbox.cloud, &principal, &wish).await.map_err(failed)? {
            return Err(AwsError::denied("ecr", sentence));
        }
    }
    if LAYER_CALLS.contains(&action.as_str()) {
        return Err(AwsError::invalid_parameter(format!("the sandbox takes and gives layers at http://{}/v2/ only", sandbox.registry())));
    }
    let response = proxy::forward_whole(sandbox, parts, bytes).await?;
    if !response.status().is_success() {
        return Ok(response.map(Body::from));
    }
    let Ok(mut answer) = serde_json::from_slice::<Value>(response.body()) else {
        return Ok(response.map(Body::from));
    };
    if action == "GetAuthorizationToken" {
        remember_tokens(sandbox, &principal, &answer);
    }
    if action == "DeleteRepository"
        && let Some(name) = answer["repository"]["repositoryName"].as_str()
    {
        sandbox.blobs.forget(name).await.map_err(|error| AwsError::internal(error.to_string()))?;
    }
    complete(sandbox, &mut answer);
    Ok(proxy::with_body(response, answer.to_string().into()))
}

/// One wish for each repository a call names.
fn wishes(sandbox: &Sandbox, region: &str, action: &str, body: &Value) -> Vec<Wish> {
    let arn = |name: &str| repository_arn(sandbox, region, name);
    let resources: Vec<String> = if let Some(arn) = body["resourceArn"].as_str() {
        vec![arn.to_owned()]
    } else if let Some(name) = body["repositoryName"].as_str() {
        vec![arn(name)]
    } else if let Some(names) = body["repositoryNames"].as_array().filter(|names| !names.is_empty()) {
        names.iter().filter_map(Value::as_str).map(arn).collect()
    } else if action == "DescribeRepositories" {
        vec![arn("*")]
    } else {
        vec!["*".to_owned()]
    };
    let tags: Vec<(String, String)> =
        body["tags"].as_array().into_iter().flatten().filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()))).collect();
    resources.into_iter().map(|resource| Wish::new(format!("ecr:{action}"), resource).with_request_tags(&tags)).collect()
}

fn repository_arn(sandbox: &Sandbox, region: &str, name: &str) -> String {
    format!("arn:aws:ecr:{region}:{}:repository/{name}", sandbox.cloud.account)
}

/// Notes whose registry tokens these are.
fn remember_tokens(sandbox: &Sandbox, principal: &Principal, answer: &Value) {
    for data in answer["authorizationData"].as_array().into_iter().flatten() {
        let Some(token) = data["authorizationToken"].as_str() else { continue };
        let expires = data["expiresAt"].as_f64().and_then(|at| {
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are far from the edge")]
            let seconds = at as i64;
            time::OffsetDateTime::from_unix_timestamp(seconds).ok()
        });
        let Some(expires) = expires else { continue };
        let given = RegistryToken { principal: Principal { secret: None, ..principal.clone() }, expires };
        sandbox.book.change(|entries| entries.registry_tokens.insert(registry::fingerprint(token), given));
    }
}

/// Puts addresses into an answer under which the gateway is reached.
fn complete(sandbox: &Sandbox, answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            if let Some(name) = fields.get("repositoryName").and_then(Value::as_str).map(str::to_owned)
                && fields.contains_key("repositoryUri")
            {
                fields.insert("repositoryUri".into(), format!("{}/{name}", sandbox.registry()).into());
            }
            // The emulator takes the manifest's size for the image's.
            if let Some(size) = fields.get("imageDigest").and_then(Value::as_str).and_then(|digest| image_size(sandbox, digest))
                && fields.contains_key("imageSizeInBytes")
            {
                fields.insert("imageSizeInBytes".into(), size.into());
            }
            if fields.contains_key("proxyEndpoint") {
                fields.insert("proxyEndpoint".into(), format!("http://{}", sandbox.registry()).into());
            }
            fields.values_mut().for_each(|value| complete(sandbox, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| complete(sandbox, item)),
        Value::String(text) => {
            let emulator = sandbox.cloud.address().to_string();
            if text.contains(&emulator) {
                *text = text.replace(&emulator, &sandbox.registry());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn image_size(sandbox: &Sandbox, digest: &str) -> Option<u64> {
    sandbox.book.read(|entries| entries.image_sizes.get(digest).copied())
}
