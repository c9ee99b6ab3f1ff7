//! `Idempotency-Key` and `If-Match`, read before any operation starts.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
};
use control::{Ctx, idempotency::Key};
use domain::{Code, Rejected, limits};
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest as _, Sha256};

use super::{
    error::RestError,
    extract::{MAX_BODY, too_large},
};
use crate::session::Caller;

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
        .filter(|key| is_key(key))
        .ok_or_else(|| Rejected::new(Code::MalformedRequest, format!("Idempotency-Key takes 1 to {} visible characters.", limits::IDEMPOTENCY_KEY)).at("Idempotency-Key"))?;
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|_| too_large())?;
    let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let request_hash = hash(request.method().as_str(), target, &bytes);
    *request.body_mut() = Body::from(bytes);
    Ok(Some(Key { key, request_hash }))
}

/// Whether this can be an idempotency key, in a header or in a form.
#[must_use]
pub fn is_key(key: &str) -> bool {
    (1..=limits::IDEMPOTENCY_KEY).contains(&key.len()) && key.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

/// The hash by which a repetition of a request is known.
#[must_use]
pub fn hash(method: &str, target: &str, body: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(method).chain_update([0]).chain_update(target).chain_update([0]).chain_update(body).finalize().into()
}

/// The version in `If-Match`; none for `*`.
///
/// # Errors
/// `precondition_failed` for one that is not ours.
pub fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Rejected> {
    match headers.get(header::IF_MATCH) {
        None => Ok(None),
        Some(value) if value == "*" => Ok(None),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.trim().trim_start_matches("W/").trim_matches('"').parse().ok())
            .map(Some)
            .ok_or_else(|| Rejected::new(Code::PreconditionFailed, "If-Match holds something that was never this thing's ETag.")),
    }
}

/// The context of a caller who says what they last saw: automation must not overwrite what it has not seen.
pub struct Seen(pub Ctx);

impl<S: Sync> FromRequestParts<S> for Seen {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let Caller(ctx) = Caller::from_request_parts(parts, state).await?;
        if parts.headers.contains_key(header::IF_MATCH) {
            return Ok(Self(ctx));
        }
        Err(Rejected::new(Code::PreconditionRequired, "Send If-Match with the ETag that you last saw, so that nothing is overwritten unseen.").into())
    }
}
