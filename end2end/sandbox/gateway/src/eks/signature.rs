//! The signature of a token's URL, for URLs that are too old for the emulator and not for EKS.
//!
//! EKS takes a token for a quarter of an hour whatever its `X-Amz-Expires` says, which is 60 from the AWS CLI and 0 from
//! aws-iam-authenticator. The emulator holds on to that number.

use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// What SigV4 encodes: all but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A presigned GET of `/`.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// The host it was signed for.
    pub host: &'a str,
    /// The cluster's name, the value of `x-k8s-aws-id`.
    pub cluster: &'a str,
    /// The query string as it came.
    pub query: &'a str,
}

/// Whether the URL was signed with `secret`.
pub fn is_signed_with(signed: &Signed<'_>, secret: &str) -> bool {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(signed.query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let (Some(credential), Some(date), Some(headers), Some(signature)) = (value("X-Amz-Credential"), value("X-Amz-Date"), value("X-Amz-SignedHeaders"), value("X-Amz-Signature"))
    else {
        return false;
    };
    let (Some((_, scope)), Some(request)) = (credential.split_once('/'), canonical_request(signed, &pairs, headers)) else {
        return false;
    };
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part).finalize().into_bytes().to_vec());
    // Compared by the library, in constant time.
    from_hex(signature).is_some_and(|signature| mac(&key, &to_sign).verify_slice(&signature).is_ok())
}

fn canonical_request(signed: &Signed<'_>, pairs: &[(String, String)], headers: &str) -> Option<String> {
    let mut query: Vec<String> =
        pairs.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("X-Amz-Signature")).map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    query.sort();
    let mut lines = String::new();
    for header in headers.split(';') {
        let value = match header {
            "host" => signed.host,
            "x-k8s-aws-id" => signed.cluster,
            _ => return None,
        };
        lines.push_str(&format!("{header}:{value}\n"));
    }
    Some(format!("GET\n/\n{}\n{lines}\n{headers}\n{}", query.join("&"), hex(&Sha256::digest(b""))))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn mac(key: &[u8], message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac
}

fn hex(bytes: &[u8]) -> String {
    crate::ecr::hex(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::client::{Client, Keys};

    fn url(expires: Duration) -> String {
        let keys = Keys { id: "AKIA1".into(), secret: "a/secret+key".into(), token: Some("a token/with=signs+".into()) };
        let client = Client::new(([127, 0, 0, 1], 4566).into(), "us-east-1", keys);
        let token = client.eks_token("lab", SystemTime::now(), expires).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(token.strip_prefix("k8s-aws-v1.").unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_url_signed_by_the_sdk_is_recognised_and_nothing_else() {
        for expires in [0, 60] {
            let url = url(Duration::from_secs(expires));
            let query = url.split_once('?').unwrap().1;
            let signed = Signed { host: "127.0.0.1:4566", cluster: "lab", query };
            assert!(is_signed_with(&signed, "a/secret+key"), "{url}");
            assert!(!is_signed_with(&signed, "another"));
            assert!(!is_signed_with(&Signed { cluster: "fleet", ..signed }, "a/secret+key"));
            assert!(!is_signed_with(&Signed { host: "elsewhere", ..signed }, "a/secret+key"));
            let changed = query.replace("GetCallerIdentity", "GetSessionToken");
            assert!(!is_signed_with(&Signed { query: &changed, ..signed }, "a/secret+key"));
            let cut = query.split("&X-Amz-Signature").next().unwrap();
            assert!(!is_signed_with(&Signed { query: cut, ..signed }, "a/secret+key"));
        }
    }
}
