//! Who is asking: one layer for pages, REST and event streams.

pub mod cookie;
pub mod cross_site;
pub mod proxies;

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use control::{Actor, Credential, Ctx, sessions};
use domain::{Code, Rejected, audit::Source};
use http::{Method, header, request::Parts};
use std::net::SocketAddr;
use tower_http::request_id::RequestId;

use crate::{
    rest::{error::RestError, precondition},
    state::AppState,
};

/// The caller's context.
pub struct Caller(pub Ctx);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RestError> {
        let ctx = parts.extensions.get::<Ctx>().cloned();
        ctx.map(Self).ok_or_else(|| RestError(anyhow::anyhow!("the session layer is missing from this route").into()))
    }
}

/// Puts the caller's [`Ctx`] into the request, and records refusals on the way back.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let ctx = match context(&state, &mut request, is_api).await {
        Ok(ctx) => ctx,
        Err(error) => return RestError(error).into_response(),
    };
    request.extensions_mut().insert(ctx.clone());
    let response = next.run(request).await;
    if let Some(rejected) = response.extensions().get::<Rejected>()
        && rejected.code.status() == 403
        && let Err(error) = control::audit::record_refusal(&ctx, rejected).await
    {
        tracing::error!(error = format!("{error:#}"), "a refusal could not be recorded");
    }
    response
}

/// Turns strangers away before their request is read any further. Operations check again, and more.
pub async fn signed_in_only(Caller(ctx): Caller, request: Request, next: Next) -> Response {
    match ctx.actor().check_signed_in() {
        Ok(()) => next.run(request).await,
        Err(rejected) => RestError::from(rejected).into_response(),
    }
}

async fn context(state: &AppState, request: &mut Request<Body>, is_api: bool) -> control::Result<Ctx> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = state.web.proxies.client(peer, request.headers()).map(|address| address.to_string());
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(str::to_owned);
    let credential = match (bearer(request), cookie::secret(request.headers(), state.is_https())) {
        (Some(token), _) if is_api => Credential::Token(token),
        (_, Some(secret)) => Credential::Session(secret),
        _ => Credential::None,
    };
    let actor = match (sessions::holder(&state.control, &credential).await?, &credential) {
        (Some(actor), _) => actor,
        (None, Credential::Token(_)) => return Err(Rejected::new(Code::Unauthenticated, "This token is not valid: it is unknown, expired or revoked.").into()),
        (None, _) => Actor::anonymous(),
    };
    let idempotency = if is_api && request.method() != Method::GET { precondition::idempotency(request).await? } else { None };
    let if_match = precondition::if_match(request.headers())?;
    let source = if is_api { Source::Api } else { Source::Page };
    Ok(Ctx::new(state.control.clone(), actor, source, control::Request { id, address, idempotency, if_match, credential }))
}

fn bearer(request: &Request<Body>) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
