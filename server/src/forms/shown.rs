//! Pages on their way out.

use std::sync::{Arc, Mutex};

use app::{
    form::Typed,
    page::{Chrome, Page, draw},
    pages,
    said::Said,
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use control::{Ctx, Error};
use domain::{Code, Rejected};
use http::{HeaderValue, StatusCode, header};

use super::{posted::Carried, sign_in};
use crate::{rest::error::outside, session::cookie, state::AppState};

/// A loaded page; the layer around the routes draws it.
pub struct Shown(Page);

/// What a page's handler gives.
pub type PageResult = Result<Shown, PageError>;
/// What a form's handler gives: a redirect, or the page again.
pub type FormResult = Result<Response, PageError>;

impl From<Page> for Shown {
    fn from(page: Page) -> Self {
        Self(page)
    }
}

/// Pages are not `Clone` and extensions want that: a cell that is emptied once.
#[derive(Clone)]
struct Pending(Arc<Mutex<Option<Page>>>);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        response.extensions_mut().insert(Pending(Arc::new(Mutex::new(Some(self.0)))));
        response
    }
}

/// Why there is no page.
pub struct PageError {
    error: Error,
}

impl<E: Into<Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self { error: error.into() }
    }
}

#[derive(Clone)]
struct Refused(Rejected);

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let rejected = outside(self.error);
        let mut response = StatusCode::from_u16(rejected.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(Refused(rejected.clone()));
        response.extensions_mut().insert(rejected);
        response
    }
}

/// After a form did what it says: go to where the result is seen.
#[must_use]
pub fn see_other(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// The same, to a page that would not show by itself what was done.
#[must_use]
pub fn saying(path: &str, said: Said) -> Response {
    let mut response = see_other(path);
    response.extensions_mut().insert(said);
    response
}

/// The rejection to draw the form again with, or the error when it is not one.
///
/// # Errors
/// Faults, and rejections that no other words in the form would change: what may not be seen or done.
pub fn again(error: Error) -> Result<Rejected, Error> {
    match error {
        Error::Rejected(rejected) if !matches!(rejected.code, Code::Unauthenticated | Code::NotFound | Code::Forbidden) => Ok(*rejected),
        other => Err(other),
    }
}

/// Draws what handlers loaded, with the caller's frame and a content security policy of its own.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let ctx = request.extensions().get::<Ctx>().cloned();
    let address = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_get = request.method() == http::Method::GET;
    // A form's answer has words of its own; what was said before waits for the next page.
    let said = cookie::said(request.headers(), state.is_https()).filter(|_| is_get);
    let carried = Carried::default();
    request.extensions_mut().insert(carried.clone());
    let mut response = next.run(request).await;
    let Some(ctx) = ctx else { return response };
    if let Some(said) = response.extensions_mut().remove::<Said>() {
        response.headers_mut().append(header::SET_COOKIE, cookie::say(said, state.is_https()));
    }
    let asked = Asked { ctx, address, said, posted: !is_get };
    // What an extractor turned down, a garbled id or query, was not said for a page yet, nor was what broke or took too long.
    let told = |rejected: &&Rejected| matches!(rejected.code, Code::NotFound | Code::MalformedRequest | Code::Internal | Code::Timeout);
    let unread = response.extensions().get::<Rejected>().filter(told).cloned();
    if let Some(rejected) = response.extensions_mut().remove::<Refused>().map(|Refused(rejected)| rejected).or(unread) {
        if rejected.code == Code::Unauthenticated {
            let to = sign_in::address(&asked.address);
            return match carried.take() {
                Some(typed) => session_ended(&state, &asked, to, &typed, rejected),
                None => see_other(&to),
            };
        }
        let page = match rejected.code {
            Code::Internal => pages::error::fault(asked.ctx.request().id.as_deref().unwrap_or("unknown")),
            _ => pages::error::rejected(&rejected),
        };
        let mut drawn = html(&state, &asked, page);
        drawn.extensions_mut().insert(rejected);
        return drawn;
    }
    let pending = response.extensions_mut().remove::<Pending>();
    match pending.and_then(|pending| pending.0.lock().ok().and_then(|mut page| page.take())) {
        Some(page) => {
            let mut drawn = html(&state, &asked, page);
            // What the handler said besides, such as a cookie or when to try again.
            for (name, value) in response.headers() {
                drawn.headers_mut().append(name, value.clone());
            }
            drawn
        }
        None => response,
    }
}

/// Where to sign in instead of a form's page, with what was typed there.
fn session_ended(state: &AppState, asked: &Asked, to: String, typed: &Typed, rejected: Rejected) -> Response {
    let kept = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(typed.kept()).finish();
    let typed = Typed::new(vec![(pages::sign_in::KEPT.into(), kept)]);
    let mut drawn = html(state, asked, pages::sign_in::show(to, typed).answer(rejected.code.status()));
    drawn.extensions_mut().insert(rejected);
    drawn
}

/// Who asked for a page, and how.
struct Asked {
    ctx: Ctx,
    address: String,
    said: Option<Said>,
    posted: bool,
}

impl Asked {
    /// What a page for them is dressed with.
    fn chrome(&self, state: &AppState) -> Chrome {
        Chrome {
            actor: self.ctx.actor().clone(),
            address: self.address.clone(),
            said: self.said,
            posted: self.posted,
            options: state.web.options.clone(),
            style_sheet: Arc::clone(&state.web.style_sheet),
        }
    }
}

fn html(state: &AppState, asked: &Asked, page: Page) -> Response {
    let drawn = draw(page, asked.chrome(state));
    let status = StatusCode::from_u16(drawn.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Html(drawn.html)).into_response();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{}' 'strict-dynamic' 'wasm-unsafe-eval'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        drawn.nonce
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("a nonce fits a header"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if asked.said.is_some() {
        headers.append(header::SET_COOKIE, cookie::was_said(state.is_https()));
    }
    if let Some(rejected) = drawn.rejected {
        response.extensions_mut().insert(rejected);
    }
    response
}
