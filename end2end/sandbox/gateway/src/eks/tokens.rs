//! EKS tokens: a presigned GetCallerIdentity, replayed once and then good until a quarter of an hour after its signing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Uri};
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::signature::{Signed, is_signed_with};
use crate::call;
use crate::cloud::CloudError;
use crate::principals::{self, Principal};
use crate::proxy;
use crate::sandbox::Sandbox;

const PREFIX: &str = "k8s-aws-v1.";
const LIFE: Duration = Duration::minutes(15);
/// Tolerance for a signer's clock that is ahead.
const SKEW: Duration = Duration::minutes(5);
/// A longer token is nobody's; session tokens make the longest.
const MAX_LENGTH: usize = 16 << 10;

/// The SHA-256 of nothing. Without it the emulator takes a presigned URL for one with an unsigned payload.
const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The only parameters a token's URL may have, in lower case; anything else could make it another call.
const PARAMETERS: [&str; 9] =
    ["action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"];

/// Whose token it is, as the Kubernetes side asks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// What GetCallerIdentity says.
    pub arn: String,
    /// The user or the role behind a session, without path: what mappings name.
    pub canonical_arn: String,
    /// The account.
    pub account_id: String,
    /// The unique id; for a role with the session's name.
    pub user_id: String,
    /// The session's name; empty for a user.
    pub session_name: String,
    /// The key it was signed with.
    pub access_key_id: String,
    /// When the token stops working, in RFC 3339.
    pub expires: String,
}

/// Tokens that were verified before, by cluster and hash.
#[derive(Default)]
pub struct KnownTokens(Mutex<HashMap<[u8; 32], (Identity, OffsetDateTime)>>);

impl KnownTokens {
    fn get(&self, hash: &[u8; 32]) -> Option<Identity> {
        let now = OffsetDateTime::now_utc();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, expires)| *expires > now);
        known.get(hash).map(|(identity, _)| identity.clone())
    }

    fn remember(&self, hash: [u8; 32], identity: Identity, expires: OffsetDateTime) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, (identity, expires));
    }
}

/// Why a token is no good, or could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It does not prove who sent it.
    #[error("{0}")]
    Refused(String),
    /// The emulator did not answer.
    #[error("{0:#}")]
    Unjudged(#[from] anyhow::Error),
}

fn refused(why: impl Into<String>) -> TokenError {
    TokenError::Refused(why.into())
}

/// Says whose token it is, if it was made for `cluster`.
///
/// # Errors
/// Why it is refused.
pub async fn verify(sandbox: &Sandbox, cluster: &str, token: &str) -> Result<Identity, TokenError> {
    let hash: [u8; 32] = Sha256::new().chain_update(cluster.as_bytes()).chain_update([0]).chain_update(token.as_bytes()).finalize().into();
    if let Some(identity) = sandbox.tokens.get(&hash) {
        return Ok(identity);
    }
    let presigned = Presigned::parse(token, OffsetDateTime::now_utc())?;
    let answer = replay(sandbox, cluster, &presigned).await?;
    let principal = caller(sandbox, cluster, &presigned, &answer).await?;
    let identity = Identity {
        canonical_arn: principal.canonical_arn(),
        session_name: principal.session_name().to_owned(),
        account_id: principal.account,
        user_id: principal.user_id,
        arn: principal.arn,
        access_key_id: presigned.key,
        expires: presigned.expires.format(&Rfc3339).map_err(anyhow::Error::from)?,
    };
    sandbox.tokens.remember(hash, identity.clone(), presigned.expires);
    Ok(identity)
}

/// A token's URL, checked for being what `aws eks get-token` makes.
#[derive(Debug)]
struct Presigned {
    host: String,
    path_and_query: String,
    key: String,
    expires: OffsetDateTime,
}

impl Presigned {
    fn parse(token: &str, now: OffsetDateTime) -> Result<Self, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(refused("the token is too long"));
        }
        let encoded = token.strip_prefix(PREFIX).ok_or_else(|| refused(format!("the token does not start with {PREFIX}")))?;
        let url = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|_| refused("the token is not base64url"))?;
        let url = String::from_utf8(url).map_err(|_| refused("the token is not a URL"))?;
        let uri: Uri = url.parse().map_err(|_| refused("the token is not a URL"))?;
        let host = match (uri.scheme(), uri.authority()) {
            (Some(_), Some(host)) => host.to_string(),
            _ => return Err(refused("the token's URL names no host")),
        };
        if uri.path() != "/" {
            return Err(refused("the token's URL has a path"));
        }
        let query = uri.query().unwrap_or_default();
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = name.to_ascii_lowercase();
            if !PARAMETERS.contains(&name.as_str()) {
                return Err(refused(format!("the token's URL has the unexpected parameter {name}")));
            }
            if values.insert(name.clone(), value.into_owned()).is_some() {
                return Err(refused(format!("the token's URL repeats {name}")));
            }
        }
        let value = |name: &str| values.get(name).map(String::as_str).ok_or_else(|| refused(format!("the token's URL lacks {name}")));
        if value("action")? != "GetCallerIdentity" {
            return Err(refused("the token is not a GetCallerIdentity"));
        }
        if !value("x-amz-signedheaders")?.to_ascii_lowercase().split(';').any(|header| header == "x-k8s-aws-id") {
            return Err(refused("the token's signature does not cover x-k8s-aws-id"));
        }
        let lifetime: i64 = value("x-amz-expires")?.parse().map_err(|_| refused("the token's X-Amz-Expires is not a number"))?;
        if !(0..=LIFE.whole_seconds()).contains(&lifetime) {
            return Err(refused("the token's X-Amz-Expires is more than a quarter of an hour"));
        }
        let date_format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let signed = PrimitiveDateTime::parse(value("x-amz-date")?, &date_format).map_err(|_| refused("the token's X-Amz-Date is not a date"))?;
        let expires = signed.assume_utc() + LIFE;
        if expires <= now {
            return Err(refused("the token has expired"));
        }
        if signed.assume_utc() > now + SKEW {
            return Err(refused("the token was signed in the future"));
        }
        let key = value("x-amz-credential")?.split('/').next().unwrap_or_default().to_owned();
        if principals::is_root_key(&key) {
            return Err(refused("a root key without a signature proves nobody's identity"));
        }
        let path_and_query = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        Ok(Self { host, path_and_query, key, expires })
    }
}

/// Sends the presigned request as it was signed: to the host it names, with the cluster's name in the signed header.
async fn replay(sandbox: &Sandbox, cluster: &str, presigned: &Presigned) -> Result<Answer, TokenError> {
    let request = Request::get(format!("http://{}{}", sandbox.cloud.address(), presigned.path_and_query))
        .header("host", &presigned.host)
        .header("x-k8s-aws-id", cluster)
        .header("x-amz-content-sha256", EMPTY_HASH)
        .body(Body::empty())
        .map_err(|_| refused("the token's URL cannot be sent"))?;
    let response = sandbox.http.fetch(request).await?;
    let text = String::from_utf8_lossy(response.body()).into_owned();
    Ok(Answer { success: response.status().is_success(), text })
}

struct Answer {
    success: bool,
    text: String,
}

async fn caller(sandbox: &Sandbox, cluster: &str, presigned: &Presigned, answer: &Answer) -> Result<Principal, TokenError> {
    let unjudged = |error: CloudError| TokenError::Unjudged(error.into());
    let key = &presigned.key;
    if answer.success {
        let form = [("Action".to_owned(), "GetCallerIdentity".to_owned())];
        principals::learn(&sandbox.book, &sandbox.cloud, key, &form, &answer.text).await;
    }
    let principal = principals::of_key(&sandbox.book, &sandbox.cloud, key).await.map_err(unjudged)?;
    // A refusal by policy comes after the signature's check; AWS answers GetCallerIdentity whatever the policies say.
    let proven = answer.success || proxy::is_policy_refusal(&answer.text) || answer.is_too_old() && principal.as_ref().is_some_and(|principal| presigned.is_by(principal, cluster));
    match principal {
        Some(principal) if proven => Ok(principal),
        _ => {
            let field = |tag| crate::xml::first(&answer.text, tag).unwrap_or_default();
            Err(refused(format!("STS refused the token: {}: {}", field("Code"), field("Message"))))
        }
    }
}

impl Answer {
    /// Whether the emulator knows the key but finds the URL too old, which it looks at before the signature.
    fn is_too_old(&self) -> bool {
        let field = |tag| crate::xml::first(&self.text, tag).unwrap_or_default();
        field("Code") == "AuthorizationQueryParametersError" || field("Message") == "Request has expired"
    }
}

impl Presigned {
    fn is_by(&self, principal: &Principal, cluster: &str) -> bool {
        let query = self.path_and_query.split_once('?').map_or("", |(_, query)| query);
        let signed = Signed { host: &self.host, cluster, query };
        principal.secret.as_ref().is_some_and(|secret| is_signed_with(&signed, secret))
    }
}

/// Whether a header value may be sent as a cluster's name; anything else would be no cluster's.
pub fn is_cluster_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Reads the key of a presigned URL's credential, for logs.
pub fn key_of(token: &str) -> Option<String> {
    let url = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    let url = String::from_utf8(url).ok()?;
    let credential = call::query_value(url.split_once('?')?.1, "X-Amz-Credential")?;
    Some(credential.split('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:10:00 UTC);

    fn token(url: &str) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url))
    }

    fn url(date: &str) -> String {
        format!(
            "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIA1%2F20260102%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=60\
             &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=ab"
        )
    }

    fn reason(token: &str) -> String {
        Presigned::parse(token, NOW).unwrap_err().to_string()
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour_whatever_its_url_says() {
        let presigned = Presigned::parse(&token(&url("20260102T030000Z")), NOW).unwrap();
        assert_eq!(presigned.host, "sts.us-east-1.amazonaws.com");
        assert_eq!(presigned.key, "AKIA1");
        assert_eq!(presigned.expires, datetime!(2026-01-02 03:15:00 UTC));
        assert_eq!(reason(&token(&url("20260102T025459Z"))), "the token has expired");
        assert_eq!(reason(&token(&url("20260102T032000Z"))), "the token was signed in the future");
    }

    #[test]
    fn only_the_call_that_proves_identity_is_a_token() {
        let good = url("20260102T030000Z");
        assert_eq!(reason(&token(&good.replace("GetCallerIdentity", "GetSessionToken"))), "the token is not a GetCallerIdentity");
        assert_eq!(reason(&token(&good.replace("x-k8s-aws-id", "x-other"))), "the token's signature does not cover x-k8s-aws-id");
        assert!(reason(&token(&format!("{good}&RoleArn=x"))).contains("unexpected parameter rolearn"));
        assert!(reason(&token(&format!("{good}&Action=GetCallerIdentity"))).contains("repeats action"));
        assert_eq!(reason(&token(&good.replace("com/?", "com/clusters?"))), "the token's URL has a path");
        assert!(reason(&token(&good.replace("AKIA1", "test"))).contains("root key"));
    }

    #[test]
    fn garbage_is_refused_with_a_reason() {
        assert!(reason("eyJhbGciOi").contains("does not start with"));
        assert_eq!(reason("k8s-aws-v1.!!!"), "the token is not base64url");
        assert_eq!(reason(&"k8s-aws-v1.".repeat(2000)), "the token is too long");
    }
}
