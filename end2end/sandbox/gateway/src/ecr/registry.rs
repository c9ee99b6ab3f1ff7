//! The image registry: OCI distribution on `/v2/`, for those who hold a token that ECR gave out.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{layers, repository_arn};
use crate::authorize::{Verdict, Wish, authorize};
use crate::call;
use crate::cloud::{Cloud, CloudError};
use crate::principals::Principal;
use crate::proxy;
use crate::sandbox::Sandbox;

/// The key under which a token is kept: its hash, so that the book cannot be used to log in.
pub fn fingerprint(token: &str) -> String {
    super::hex(&Sha256::digest(token.trim()))
}

/// A registry's refusal.
#[derive(Debug)]
pub struct RegistryError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl RegistryError {
    /// A refusal with a code of the distribution specification.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn answer(&self) -> Response<Body> {
        let body = json!({ "errors": [{ "code": self.code, "message": self.message }] });
        Response::builder()
            .status(self.status)
            .header("content-type", "application/json")
            .header("docker-distribution-api-version", "registry/2.0")
            .body(Body::from(body.to_string()))
            .expect("the headers are constants")
    }
}

/// Answers a registry request.
pub async fn answer(sandbox: &Arc<Sandbox>, request: Request<Body>) -> Response<Body> {
    if sandbox.faults.registry_is_down() {
        let message = "the registry is down (a fault that was switched on)";
        return RegistryError::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).answer();
    }
    let Some(principal) = holder(sandbox, &request) else {
        return unauthorized(sandbox);
    };
    match authorized(sandbox, &principal, request).await {
        Ok(response) => response,
        Err(error) => error.answer(),
    }
}

async fn authorized(sandbox: &Arc<Sandbox>, principal: &Principal, request: Request<Body>) -> Result<Response<Body>, RegistryError> {
    let target = Target::parse(request.uri().path()).ok_or_else(|| RegistryError::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "the registry has no such path"))?;
    for action in target.actions(request.method()) {
        require(sandbox, principal, action, &target.repository).await?;
    }
    if target.kind == "blobs" {
        require_repository(sandbox, &target.repository).await?;
        return layers::answer(sandbox, principal, &target, request).await;
    }
    let (mut parts, mut body) = request.into_parts();
    if target.kind == "manifests" && parts.method == Method::PUT {
        require_repository(sandbox, &target.repository).await?;
        body = layers::check_manifest(sandbox, &target, body).await?.into();
    }
    let root = Cloud::root_authorization(&sandbox.cloud.region, "ecr");
    let root = root.parse().expect("a signature header is a valid header value");
    parts.headers.insert(http::header::AUTHORIZATION, root);
    Ok(proxy::forward(sandbox, parts, body).await)
}

/// Fails unless IAM lets the token's holder do `action` on a repository.
///
/// # Errors
/// IAM's refusal, in AWS's words.
pub async fn require(sandbox: &Sandbox, principal: &Principal, action: &str, repository: &str) -> Result<(), RegistryError> {
    let wish = Wish::new(format!("ecr:{action}"), repository_arn(sandbox, &sandbox.cloud.region, repository));
    match authorize(&sandbox.cloud, principal, &wish).await {
        Ok(Verdict::Allowed) => Ok(()),
        Ok(Verdict::Denied(sentence)) => Err(RegistryError::new(StatusCode::FORBIDDEN, "DENIED", sentence)),
        Err(failure) => Err(unjudged(&failure)),
    }
}

async fn require_repository(sandbox: &Sandbox, name: &str) -> Result<(), RegistryError> {
    let body = json!({ "repositoryNames": [name] });
    let target = format!("{}DescribeRepositories", call::ECR_TARGET);
    match sandbox.cloud.target("ecr", &sandbox.cloud.region, &target, &body).await {
        Ok(_) => Ok(()),
        Err(CloudError::Refused { .. }) => {
            let message = format!("The repository with name '{name}' does not exist in the registry");
            Err(RegistryError::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message))
        }
        Err(failure) => Err(unjudged(&failure)),
    }
}

fn unjudged(failure: &CloudError) -> RegistryError {
    tracing::error!(%failure, "the AWS emulator failed under the registry");
    RegistryError::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", failure.to_string())
}

/// Whose token a request brings, if it brings a good one.
fn holder(sandbox: &Sandbox, request: &Request<Body>) -> Option<Principal> {
    let authorization = call::header(request.headers(), "authorization")?;
    let basic = authorization.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok()?;
    let (user, _) = decoded.split_once(':')?;
    if user != "AWS" {
        return None;
    }
    // ECR's token is itself the base64 of `AWS:PASSWORD`, as the header carries it.
    let token = sandbox.book.read(|entries| entries.registry_tokens.get(&fingerprint(basic)).cloned())?;
    (token.expires > OffsetDateTime::now_utc()).then_some(token.principal)
}

/// What a registry path is about.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The repository's name; empty for the version check.
    pub repository: String,
    /// `manifests`, `blobs` or `tags`; empty for the version check.
    pub kind: String,
    /// What comes after.
    pub rest: Vec<String>,
}

impl Target {
    /// Reads a path as the emulator does: the first such word after the name ends the name.
    fn parse(path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (version, segments) = segments.split_first()?;
        if *version != "v2" {
            return None;
        }
        if segments.is_empty() {
            return Some(Self { repository: String::new(), kind: String::new(), rest: Vec::new() });
        }
        let end = segments.iter().position(|segment| matches!(*segment, "manifests" | "blobs" | "tags"))?;
        (end > 0).then(|| Self {
            repository: segments[..end].join("/"),
            kind: segments[end].to_owned(),
            rest: segments[end + 1..].iter().map(|segment| (*segment).to_owned()).collect(),
        })
    }

    /// What ECR asks IAM for a request on this path.
    fn actions(&self, method: &Method) -> &'static [&'static str] {
        let upload = self.rest.first().is_some_and(|first| first == "uploads");
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match (self.kind.as_str(), method.as_str()) {
            ("", _) => &[],
            ("manifests", "PUT") => &["PutImage"],
            ("manifests", "DELETE") => &["BatchDeleteImage"],
            ("manifests", _) if reads => &["BatchGetImage"],
            ("tags", _) if reads => &["ListImages"],
            ("blobs", "POST") if upload => &["InitiateLayerUpload"],
            ("blobs", "PUT") if upload => &["UploadLayerPart", "CompleteLayerUpload"],
            ("blobs", _) if upload => &["UploadLayerPart"],
            ("blobs", "HEAD") => &["BatchCheckLayerAvailability"],
            ("blobs", "GET") => &["GetDownloadUrlForLayer"],
            // Deleting single blobs is not offered by ECR; whoever may delete images may try.
            _ => &["BatchDeleteImage"],
        }
    }
}

fn unauthorized(sandbox: &Sandbox) -> Response<Body> {
    let mut response = RegistryError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "get a token with `aws ecr get-login-password`").answer();
    let challenge = format!("Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"", sandbox.registry());
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge.parse().expect("an address is a valid header value"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(method: Method, path: &str) -> &'static [&'static str] {
        Target::parse(path).unwrap().actions(&method)
    }

    #[test]
    fn repositories_may_have_slashes_and_escapes() {
        let repository = |path: &str| Target::parse(path).map(|target| target.repository);
        assert_eq!(repository("/v2/forecasting/iris/manifests/v1").as_deref(), Some("forecasting/iris"));
        assert_eq!(repository("/v2/forecasting%2Firis/manifests/v1").as_deref(), Some("forecasting/iris"));
        assert_eq!(repository("/v2/a/manifests/x/b/manifests/y").as_deref(), Some("a"));
        assert_eq!(repository("/v2/").as_deref(), Some(""));
        assert_eq!(repository("/v2/_catalog"), None);
        assert_eq!(repository("/v2/manifests/x"), None);
    }

    #[test]
    fn a_push_and_a_pull_ask_for_what_ecr_asks() {
        assert_eq!(actions(Method::POST, "/v2/a/blobs/uploads/"), ["InitiateLayerUpload"]);
        assert_eq!(actions(Method::PATCH, "/v2/a/blobs/uploads/1"), ["UploadLayerPart"]);
        assert_eq!(actions(Method::PUT, "/v2/a/blobs/uploads/1"), ["UploadLayerPart", "CompleteLayerUpload"]);
        assert_eq!(actions(Method::PUT, "/v2/a/manifests/v1"), ["PutImage"]);
        assert_eq!(actions(Method::GET, "/v2/a/manifests/v1"), ["BatchGetImage"]);
        assert_eq!(actions(Method::GET, "/v2/a/blobs/sha256:00"), ["GetDownloadUrlForLayer"]);
        assert!(actions(Method::GET, "/v2/").is_empty());
    }
}
