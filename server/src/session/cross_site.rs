//! Requests that other sites make in a visitor's name are turned away: one layer, every unsafe method.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{Code, Rejected};
use http::{HeaderMap, Method, header};
use url::Url;

use crate::{rest::error::RestError, state::AppState};

/// Lets an unsafe request through only if the browser says that it comes from this site, or if no browser speaks for anyone: a token and no cookie.
pub async fn layer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || is_same_site(request.headers(), &state.control.settings.public_url) {
        return next.run(request).await;
    }
    RestError(Rejected::new(Code::CrossSite, "This request came from another site and was not carried out. Open Slipway itself and try again.").into()).into_response()
}

fn is_same_site(headers: &HeaderMap, public_url: &Url) -> bool {
    if headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(header::COOKIE) {
        return true;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) {
        Some(origin) => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let own = public_url.origin().ascii_serialization();
            // Behind a proxy that rewrites Host the public address still matches; without one Host does.
            origin == own || Url::parse(origin).ok().and_then(|url| host.map(|host| url.authority() == host)).unwrap_or(false)
        }
        // Neither header: not a browser of the last years. Without a cookie it speaks for nobody.
        None => !headers.contains_key(header::COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::is_same_site;

    fn allowed(pairs: &[(&'static str, &str)]) -> bool {
        let headers: HeaderMap = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        is_same_site(&headers, &"https://slipway.example".parse().unwrap())
    }

    #[test]
    fn only_this_site_speaks_for_a_visitor() {
        assert!(allowed(&[("sec-fetch-site", "same-origin"), ("cookie", "a=b")]));
        assert!(allowed(&[("origin", "https://slipway.example"), ("cookie", "a=b")]));
        assert!(allowed(&[("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000"), ("cookie", "a=b")]));
        assert!(allowed(&[("authorization", "Bearer x")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site"), ("cookie", "a=b")]));
        assert!(!allowed(&[("sec-fetch-site", "same-site"), ("cookie", "a=b")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site"), ("origin", "https://slipway.example")]));
        assert!(!allowed(&[("origin", "null"), ("cookie", "a=b")]));
        assert!(!allowed(&[("origin", "https://slipway.example.evil.com"), ("host", "slipway.example"), ("cookie", "a=b")]));
        assert!(!allowed(&[("authorization", "Bearer x"), ("cookie", "a=b"), ("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&[("cookie", "a=b")]));
    }
}
