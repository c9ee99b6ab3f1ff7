//! The session's cookie. Over TLS it carries the `__Host-` prefix, which pins it to this host and to HTTPS.

use http::{HeaderMap, HeaderValue, header};

fn name(https: bool) -> &'static str {
    if https { "__Host-slipway" } else { "slipway" }
}

/// The secret that the browser sent.
#[must_use]
pub fn secret(headers: &HeaderMap, https: bool) -> Option<String> {
    let name = name(https);
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
    let secure = if https { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", name(https))).expect("a generated secret fits a header")
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
