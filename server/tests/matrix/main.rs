//! Every route, every form operation × everybody: a stranger, a garbage token, another team's owner, each role.
//!
//! What is expected is derived from one word per route, its [`Need`]; a route without one fails the test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod document;
mod fixture;
mod forms;
mod rest;

use std::path::Path;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use fixture::{IDS, Who};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use server::{router, serve, session::proxies::TrustedProxies};
use sqlx::PgPool;
use tower::ServiceExt as _;

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anyone, signed in or not.
    Nothing,
    /// Anyone who signed in: what they see depends on who they are.
    SignIn,
    /// Signed in oneself: a token is not enough.
    Person,
    /// Signed in in a browser: no token is enough, not even a personal one.
    Browser,
    See,
    /// The same, of a team that a body or a question names: whoever may not see it is told what they are told of one that is not there.
    SeeNamed,
    Deploy,
    DeployNamed,
    Predict,
    Delete,
    Manage,
    ManageTokens,
    /// The owner's own thing, which nobody else sees.
    Own,
    PlatformSee,
    PlatformManage,
    /// An admin's, on a team's thing that its members see.
    AdminOnTeam,
}

/// How an answer has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Through,
    Unauthenticated,
    Forbidden,
    Hidden,
    /// The same as for a team that is not there.
    Unnamed,
}

impl Need {
    /// The table of the threat model, written down a second time on purpose.
    pub fn expected(self, who: Who) -> Expected {
        use Expected::{Forbidden, Hidden, Through, Unauthenticated, Unnamed};
        let named = |expected| if expected == Hidden { Unnamed } else { expected };
        let member = |least: &[Who], by_office: &[Who]| match who {
            Who::Stranger | Who::Garbage => Unauthenticated,
            Who::OtherTeam => Hidden,
            _ if least.contains(&who) || by_office.contains(&who) => Through,
            _ => Forbidden,
        };
        const DEPLOYERS: &[Who] = &[Who::Deployer, Who::Owner, Who::TeamToken];
        const OWNERS: &[Who] = &[Who::Owner];
        match self {
            Self::Nothing => Through,
            Self::SignIn if matches!(who, Who::Stranger | Who::Garbage) => Unauthenticated,
            Self::SignIn => Through,
            Self::Person => match who {
                Who::Stranger | Who::Garbage => Unauthenticated,
                Who::TeamToken => Forbidden,
                _ => Through,
            },
            Self::Browser => match who {
                Who::Stranger | Who::Garbage => Unauthenticated,
                _ => Forbidden,
            },
            Self::See => member(&[Who::Viewer, Who::Deployer, Who::Owner, Who::TeamToken], &[Who::Admin, Who::Auditor]),
            Self::SeeNamed => named(Self::See.expected(who)),
            Self::DeployNamed => named(Self::Deploy.expected(who)),
            Self::Deploy | Self::Predict => member(DEPLOYERS, &[]),
            Self::Delete | Self::ManageTokens => member(OWNERS, &[]),
            Self::Manage => member(OWNERS, &[Who::Admin]),
            Self::Own => match who {
                Who::Stranger | Who::Garbage => Unauthenticated,
                Who::Owner => Through,
                _ => Hidden,
            },
            Self::AdminOnTeam => member(&[], &[Who::Admin]),
            Self::PlatformSee | Self::PlatformManage => match who {
                Who::Stranger | Who::Garbage => Unauthenticated,
                Who::Admin => Through,
                Who::Auditor if self == Self::PlatformSee => Through,
                Who::Auditor => Forbidden,
                _ => Hidden,
            },
        }
    }
}

/// A portal over a database of its own.
pub async fn portal(pool: &PgPool) -> Router {
    let control = fixture::control(pool.clone()).await;
    router::router(serve::state(control, Path::new("/nonexistent"), TrustedProxies(0)))
}

/// Puts the fixture's ids into a path or a body.
pub fn filled(text: &str) -> String {
    IDS.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, &id.to_string()))
}

/// Asks over REST.
pub async fn ask(portal: &Router, who: Who, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(secret) = who.secret() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
    }
    if method == Method::PATCH || ["/connection", "/repair"].iter().any(|end| path.ends_with(end)) {
        request = request.header(header::IF_MATCH, "\"1\"");
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(filled(&body.to_string()))
        }
        None => Body::empty(),
    };
    let response = portal.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    if kind.starts_with("text/event-stream") || kind.starts_with("application/x-ndjson") {
        return (status, Value::Null);
    }
    let bytes = to_bytes(response.into_body(), 4 << 20).await.unwrap();
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(kind, "application/problem+json", "{who:?} {method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
    }
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Whether the answer is of the expected kind.
pub fn fits(expected: Expected, status: StatusCode) -> bool {
    match expected {
        Expected::Unauthenticated => status == StatusCode::UNAUTHORIZED,
        Expected::Forbidden => status == StatusCode::FORBIDDEN,
        Expected::Hidden => status == StatusCode::NOT_FOUND,
        // What is wrong in a question and what is wrong in a body.
        Expected::Unnamed => matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY),
        Expected::Through => {
            !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
