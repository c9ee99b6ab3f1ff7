//! `Idempotency-Key` and `If-Match`, read before any operation starts.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use control::idempotency::Key;
use domain::{Code, Rejected};
use http::{HeaderMap, Method, header};
use sha2::{Digest as _, Sha256};

use super::extract::MAX_BODY;

/// The idempotency key, with the hash of the request it came with. Reads the body and puts it back.
///
/// # Errors
/// `malformed_request` for a key that cannot be one, `too_large` for a body over the limit.
pub async fn idempotency(request: &mut Request) -> Result<Option<Key>, Rejected> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = key
        .to_str()
        .ok()
        .map(|key| key.trim().trim_matches('"').to_owned())
        .filter(|key| (1..=200).contains(&key.len()))
        .ok_or_else(|| Rejected::new(Code::MalformedRequest, "Idempotency-Key takes 1 to 200 visible characters."))?;
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|_| Rejected::new(Code::TooLarge, format!("The body is larger than {} KiB or broke off.", MAX_BODY / 1024)))?;
    let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let request_hash = hash(request.method().as_str(), target, &bytes);
    *request.body_mut() = Body::from(bytes);
    Ok(Some(Key { key, request_hash }))
}

/// The hash by which a repetition of a request is known.
#[must_use]
pub fn hash(method: &str, target: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(method).chain_update([0]).chain_update(target).chain_update([0]).chain_update(body).finalize().into()
}

/// The version in `If-Match`. Changing a thing through REST needs one: automation must not overwrite what it has not seen.
///
/// # Errors
/// `precondition_required` for a PATCH without one, `malformed_request` for one that is not ours.
pub fn if_match(method: &Method, headers: &HeaderMap, is_api: bool) -> Result<Option<i64>, Rejected> {
    match headers.get(header::IF_MATCH) {
        Some(value) if value == "*" => Ok(None),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.trim().trim_start_matches("W/").trim_matches('"').parse().ok())
            .map(Some)
            .ok_or_else(|| Rejected::new(Code::PreconditionFailed, "If-Match holds something that was never this thing's ETag.")),
        None if is_api && *method == Method::PATCH => {
            Err(Rejected::new(Code::PreconditionRequired, "Send If-Match with the ETag that you last saw, so that nothing is overwritten unseen."))
        }
        None => Ok(None),
    }
}
