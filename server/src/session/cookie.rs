//! The session's cookie, and the one that says something on the next page. Over TLS each carries the `__Host-` prefix, which pins it to this host and to HTTPS.

use app::said::Said;
use http::{HeaderMap, HeaderValue, header};

fn name(https: bool) -> &'static str {
    if https { "__Host-slipway" } else { "slipway" }
}

/// The secret that the browser sent.
#[must_use]
pub fn secret(headers: &HeaderMap, https: bool) -> Option<String> {
    value(headers, name(https))
}

fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// Hands the secret to the browser.
#[must_use]
pub fn set(secret: &str, https: bool, seconds: u64) -> HeaderValue {
    cookie(name(https), secret, https, seconds)
}

fn cookie(name: &str, value: &str, https: bool, seconds: u64) -> HeaderValue {
    let secure = if https { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")).expect("a generated secret or word fits a header")
}

fn said_name(https: bool) -> &'static str {
    if https { "__Host-slipway-said" } else { "slipway-said" }
}

/// What the browser brings to say on the next page.
#[must_use]
pub fn said(headers: &HeaderMap, https: bool) -> Option<Said> {
    Said::read(&value(headers, said_name(https))?)
}

/// Hands the browser what to say on the next page, which is asked for at once.
#[must_use]
pub fn say(said: Said, https: bool) -> HeaderValue {
    cookie(said_name(https), &said.word(), https, 30)
}

/// It is said.
#[must_use]
pub fn was_said(https: bool) -> HeaderValue {
    cookie(said_name(https), "", https, 0)
}

/// Takes it back.
#[must_use]
pub fn clear(https: bool) -> HeaderValue {
    set("", https, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_the_cookie_is_pinned_to_this_host() {
        assert_eq!(set("s3cret", true, 60).to_str().unwrap(), "__Host-slipway=s3cret; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
        assert_eq!(clear(true).to_str().unwrap(), "__Host-slipway=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure");
        // A cookie without the prefix may have been planted by a neighbour or on the way.
        let planted: HeaderMap = [(header::COOKIE, HeaderValue::from_static("slipway=planted; other=__Host-slipway=x"))].into_iter().collect();
        assert_eq!((secret(&planted, true), secret(&planted, false).as_deref()), (None, Some("planted")));
        let empty: HeaderMap = [(header::COOKIE, HeaderValue::from_static("__Host-slipway=; __Host-slipway=mine"))].into_iter().collect();
        assert_eq!(secret(&empty, true).as_deref(), Some("mine"));
    }
}
