//! The registry's blob requests, and the check that a manifest's layers are there.

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::blobs::{BlobDigest, BlobError};
use super::registry::{RegistryError, Target, require};
use crate::call::query_value;
use crate::principals::Principal;
use crate::sandbox::Sandbox;

/// Manifests are small; the distribution specification allows no more.
const LARGEST_MANIFEST: usize = 4 << 20;

impl From<BlobError> for RegistryError {
    fn from(error: BlobError) -> Self {
        let (status, code) = match &error {
            BlobError::UnknownUpload => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            BlobError::WrongDigest(_) | BlobError::BadDigest(_) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            BlobError::Broken(_) => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            BlobError::Disk(_) => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// Answers a request on `/v2/NAME/blobs/…`.
///
/// # Errors
/// What the distribution specification says for it.
pub async fn answer(sandbox: &Sandbox, principal: &Principal, target: &Target, request: Request<Body>) -> Result<Response<Body>, RegistryError> {
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let rest: Vec<&str> = target.rest.iter().map(String::as_str).collect();
    match (method, rest.as_slice()) {
        (Method::POST, ["uploads"]) => begin(sandbox, principal, target, &query, request.into_body()).await,
        (Method::PATCH, ["uploads", id]) => {
            let length = sandbox.blobs.append(&target.repository, id, request.into_body()).await?;
            Ok(upload(StatusCode::ACCEPTED, target, id, length))
        }
        (Method::GET, ["uploads", id]) => {
            let length = sandbox.blobs.length(&target.repository, id).await?;
            Ok(upload(StatusCode::NO_CONTENT, target, id, length))
        }
        (Method::PUT, ["uploads", id]) => finish(sandbox, target, id, &query, request.into_body()).await,
        (Method::DELETE, ["uploads", id]) => {
            sandbox.blobs.cancel(&target.repository, id).await?;
            Ok(empty(StatusCode::NO_CONTENT, &[]))
        }
        (method @ (Method::GET | Method::HEAD), [digest]) => read(sandbox, target, digest, method == Method::GET).await,
        _ => Err(RegistryError::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the registry does not do that")),
    }
}

async fn begin(sandbox: &Sandbox, principal: &Principal, target: &Target, query: &str, body: Body) -> Result<Response<Body>, RegistryError> {
    // A layer of another repository that the caller may read need not be sent again.
    if let (Some(mount), Some(from)) = (query_value(query, "mount"), query_value(query, "from")) {
        let digest = BlobDigest::parse(&mount)?;
        let readable = require(sandbox, principal, "GetDownloadUrlForLayer", &from).await.is_ok();
        if readable && sandbox.blobs.size(&from, &digest).await.is_some() {
            sandbox.blobs.add(&target.repository, &digest).await?;
            return Ok(created(target, &digest));
        }
    }
    let id = sandbox.blobs.begin(&target.repository).await?;
    if query_value(query, "digest").is_some() {
        return finish(sandbox, target, &id, query, body).await;
    }
    Ok(upload(StatusCode::ACCEPTED, target, &id, 0))
}

async fn finish(sandbox: &Sandbox, target: &Target, id: &str, query: &str, body: Body) -> Result<Response<Body>, RegistryError> {
    let digest = BlobDigest::parse(&query_value(query, "digest").unwrap_or_default())?;
    sandbox.blobs.append(&target.repository, id, body).await?;
    sandbox.blobs.finish(&target.repository, id, &digest).await?;
    Ok(created(target, &digest))
}

async fn read(sandbox: &Sandbox, target: &Target, digest: &str, with_content: bool) -> Result<Response<Body>, RegistryError> {
    let digest = BlobDigest::parse(digest)?;
    let Some(size) = sandbox.blobs.size(&target.repository, &digest).await else {
        let message = format!("the repository {} has no layer {digest}", target.repository);
        return Err(RegistryError::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", message));
    };
    let body = match with_content {
        true => Body::from_stream(ReaderStream::new(sandbox.blobs.read(&digest).await.map_err(BlobError::from)?)),
        false => Body::empty(),
    };
    let mut response = Response::new(body);
    for (name, value) in [("content-type", "application/octet-stream".to_owned()), ("content-length", size.to_string()), ("docker-content-digest", digest.to_string())] {
        response.headers_mut().insert(name, value.parse().expect("digests and numbers are valid header values"));
    }
    Ok(response)
}

/// Refuses a manifest whose layers the repository lacks, and notes how large the image is. Returns the manifest.
///
/// # Errors
/// When it cannot be read, or a layer is missing.
pub async fn check_manifest(sandbox: &Sandbox, target: &Target, body: Body) -> Result<bytes::Bytes, RegistryError> {
    let invalid = |message: String| RegistryError::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message);
    let bytes = axum::body::to_bytes(body, LARGEST_MANIFEST).await.map_err(|error| invalid(format!("it could not be read: {error}")))?;
    let manifest: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(format!("it is not JSON: {error}")))?;
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let mut size = 0;
    for blob in layers.chain(manifest.get("config")) {
        // Foreign layers lie elsewhere.
        if blob["urls"].as_array().is_some_and(|urls| !urls.is_empty()) {
            continue;
        }
        let digest = BlobDigest::parse(blob["digest"].as_str().unwrap_or_default())?;
        let Some(length) = sandbox.blobs.size(&target.repository, &digest).await else {
            let message = format!("the repository {} has no layer {digest}", target.repository);
            return Err(RegistryError::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message));
        };
        size += length;
    }
    let digest = super::digest(&bytes);
    sandbox.book.change(|entries| entries.image_sizes.insert(digest, size));
    Ok(bytes)
}

fn upload(status: StatusCode, target: &Target, id: &str, length: u64) -> Response<Body> {
    let headers =
        [("location", format!("/v2/{}/blobs/uploads/{id}", target.repository)), ("range", format!("0-{}", length.saturating_sub(1))), ("docker-upload-uuid", id.to_owned())];
    empty(status, &headers)
}

fn created(target: &Target, digest: &BlobDigest) -> Response<Body> {
    let headers = [("location", format!("/v2/{}/blobs/{digest}", target.repository)), ("docker-content-digest", digest.to_string())];
    empty(StatusCode::CREATED, &headers)
}

fn empty(status: StatusCode, headers: &[(&'static str, String)]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}
