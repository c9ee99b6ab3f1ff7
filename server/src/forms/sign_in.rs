//! `/sign-in` and `/sign-out`.

use app::{form::Typed, pages};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use control::sessions::{self, Browser};
use domain::Code;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use url::Url;

use super::{
    posted::Posted,
    shown::{FormResult, PageError, Shown, again, see_other},
};
use crate::{
    rest::extract::Query,
    session::{Caller, cookie},
    state::AppState,
};

/// Where to sign in to go on to `path` afterwards.
#[must_use]
pub fn address(path: &str) -> String {
    match path {
        "/" => "/sign-in".into(),
        path => format!("/sign-in?next={}", url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>()),
    }
}

/// Where to go after signing in.
#[derive(Default, Deserialize)]
pub struct Next {
    next: Option<String>,
}

impl Next {
    /// A path on this site, whatever the query says: anything else would let a link to our sign-in lead people to a page that only looks like ours.
    fn path(&self) -> String {
        let base = Url::parse("http://here.invalid").expect("a URL");
        let local = self.next.as_deref().filter(|next| next.starts_with('/')).and_then(|next| base.join(next).ok()).filter(|url| url.origin() == base.origin());
        match local {
            // Two slashes would make the rest another site's name: `/..//evil.example` comes to that.
            Some(url) if !url.path().starts_with("//") && !matches!(url.path(), "/sign-in" | "/sign-out") => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
            _ => "/".into(),
        }
    }
}

pub async fn show(Caller(ctx): Caller, Query(next): Query<Next>) -> Response {
    if ctx.actor().person().is_some() {
        return see_other(&next.path());
    }
    Shown::from(pages::sign_in::show(address(&next.path()), Typed::default())).into_response()
}

pub async fn sign_in(State(state): State<AppState>, Query(next): Query<Next>, headers: HeaderMap, Posted(ctx, typed): Posted) -> FormResult {
    let https = state.is_https();
    let carried = cookie::secret(&headers, https);
    match sessions::sign_in(&ctx, typed.text("email"), typed.text("password"), Browser { user_agent: user_agent(&headers), carries: carried.as_deref() }).await {
        Ok(secret) => Ok(match next.path() {
            path if path != "/" && typed.has(pages::sign_in::KEPT) => {
                let kept = url::form_urlencoded::parse(typed.text(pages::sign_in::KEPT).as_bytes()).into_owned().collect();
                with_session(&state, &secret, Shown::from(pages::sign_in::go_on(path, Typed::new(kept).kept())).into_response())
            }
            path => signed_in(&state, &secret, &path),
        }),
        Err(error) => {
            let rejected = again(error)?;
            let limited = rejected.code == Code::RateLimited;
            let mut response = Shown::from(pages::sign_in::show(address(&next.path()), typed.rejected(rejected))).into_response();
            if limited {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Ok(response)
        }
    }
}

/// Whoever opens the address instead of pressing the button signs nobody out: a link on another page could be that.
pub async fn no_sign_out() -> Response {
    see_other("/")
}

pub async fn sign_out(State(state): State<AppState>, headers: HeaderMap, Caller(ctx): Caller) -> Result<Response, PageError> {
    let https = state.is_https();
    if let Some(secret) = cookie::secret(&headers, https) {
        sessions::sign_out(&ctx, &secret).await?;
    }
    let mut response = see_other("/");
    response.headers_mut().append(header::SET_COOKIE, cookie::clear(https));
    Ok(response)
}

/// Hands the session to the browser and sends it on its way.
pub(super) fn signed_in(state: &AppState, secret: &str, to: &str) -> Response {
    with_session(state, secret, see_other(to))
}

fn with_session(state: &AppState, secret: &str, mut response: Response) -> Response {
    let lifetime = state.control.settings.session_lifetime.as_secs();
    response.headers_mut().append(header::SET_COOKIE, cookie::set(secret, state.is_https(), lifetime));
    response
}

pub(super) fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Next;

    #[test]
    fn signing_in_never_leads_away() {
        let path = |next: &str| Next { next: Some(next.into()) }.path();
        assert_eq!(path("/deployments?state=failed&search=a%20b"), "/deployments?state=failed&search=a%20b");
        for hostile in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "\\\\evil.example",
            "http:/evil.example",
            "/..//evil.example",
            "",
            "/sign-out",
            "evil",
        ] {
            let path = path(hostile);
            assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') && path != "/sign-out", "{hostile:?} leads to {path:?}");
        }
        assert_eq!(Next::default().path(), "/");
    }
}
