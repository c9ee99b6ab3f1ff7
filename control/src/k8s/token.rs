//! The token that EKS takes: an STS GetCallerIdentity request, signed for one cluster and not sent.
//!
//! The API server's authenticator sends it to STS and so learns which IAM principal signed it. The cluster's name travels in
//! the signed header `x-k8s-aws-id`, so a token is worth nothing at another cluster. EKS takes a token for 15 minutes after
//! it was signed: <https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html>.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials as _};
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::service_config::ServiceConfigKey;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Code, Rejected};
use http::HeaderValue;
use tokio::{sync::Mutex, time::Instant};

use super::error::{Error, Kind, Result};
use crate::clock;

const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// How long STS itself takes the signed request; the authenticator sends it at once.
const SIGNED_FOR: Duration = Duration::from_secs(60);
/// EKS takes a token for 15 minutes; two stay for clocks that differ.
const GOOD_FOR: Duration = Duration::from_secs(13 * 60);
/// A token outlives its credentials at EKS, but is not given out so shortly before they end.
const BEFORE_CREDENTIALS_END: Duration = Duration::from_secs(60);
/// Having the credentials may mean assuming a role.
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(8);
/// Whoever waited while there were none to be had does not try the same again.
const REFUSAL_KEPT: Duration = Duration::from_secs(2);

/// Makes tokens for one cluster and keeps the newest.
pub struct Tokens {
    config: SdkConfig,
    region: String,
    cluster: String,
    held: Mutex<Held>,
}

/// What came of the last try.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    refused: Option<Refused>,
}

struct Refused {
    at: Instant,
    rejected: Rejected,
    said: String,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    signed_at: SystemTime,
    good_until: SystemTime,
}

impl Tokens {
    /// `config` holds the credentials of the principal that the cluster knows; `cluster` is the name in EKS.
    #[must_use]
    pub fn new(config: SdkConfig, region: &str, cluster: &str) -> Self {
        Self { config, region: region.into(), cluster: cluster.into(), held: Mutex::default() }
    }

    /// The value of the header `Authorization`, and when it was signed.
    ///
    /// # Errors
    /// Of AWS when there are no credentials. It is kept for a moment: those who wait for the same do not go one after the other.
    pub async fn authorization(&self) -> Result<(HeaderValue, SystemTime)> {
        let mut held = self.held.lock().await;
        let now = clock::system_time();
        if let Some(token) = held.token.as_ref().filter(|token| now < token.good_until) {
            return Ok((token.header.clone(), token.signed_at));
        }
        if let Some(refused) = held.refused.as_ref().filter(|refused| refused.at.elapsed() < REFUSAL_KEPT) {
            return Err(Error::new(Kind::Aws(Box::new(refused.rejected.clone())), refused.said.clone()));
        }
        let made = self.make(now).await;
        *held = match &made {
            Ok(token) => Held { token: Some(token.clone()), refused: None },
            Err(error) => {
                let refused = match &error.kind {
                    Kind::Aws(rejected) => Some(Refused { at: Instant::now(), rejected: (**rejected).clone(), said: error.raw() }),
                    _ => None,
                };
                Held { token: None, refused }
            }
        };
        made.map(|token| (token.header, token.signed_at))
    }

    /// Forgets the token that was signed then: the API server does not take it any more.
    pub async fn forget(&self, signed_at: SystemTime) {
        let mut held = self.held.lock().await;
        if held.token.as_ref().is_some_and(|token| token.signed_at == signed_at) {
            held.token = None;
        }
    }

    /// Holds a token as if it had been signed so long ago.
    #[cfg(test)]
    pub(super) async fn sign_earlier(&self, age: Duration) {
        let mut token = self.make(clock::system_time() - age).await.expect("credentials");
        token.good_until += age;
        self.held.lock().await.token = Some(token);
    }

    async fn make(&self, now: SystemTime) -> Result<Token> {
        let refused = |said: String| {
            let rejected = Rejected::new(Code::AwsDenied, format!("Slipway has no AWS credentials to reach the cluster {} with.", self.cluster)).with_raw(said.clone());
            Error::new(Kind::Aws(Box::new(rejected)), said)
        };
        let provider = self.config.credentials_provider().ok_or_else(|| refused("no credentials provider is configured".into()))?;
        let credentials = match tokio::time::timeout(CREDENTIALS_LIMIT, provider.provide_credentials()).await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => return Err(refused(chain(&error))),
            Err(_) => {
                let said = "the credentials did not come in time";
                return Err(Error::new(Kind::Aws(Box::new(Rejected::new(Code::AwsUnavailable, "AWS gave Slipway no credentials in time.").with_raw(said))), said));
            }
        };
        let ends = credentials.expiry().and_then(|expiry| expiry.checked_sub(BEFORE_CREDENTIALS_END));
        let text = presign(&self.endpoint().await?, &self.region, &self.cluster, credentials, now)?;
        let mut header = HeaderValue::from_str(&format!("Bearer {PREFIX}{}", URL_SAFE_NO_PAD.encode(text))).map_err(Error::fault)?;
        header.set_sensitive(true);
        let good_until = now + GOOD_FOR;
        Ok(Token { header, signed_at: now, good_until: ends.map_or(good_until, |ends| ends.min(good_until)) })
    }

    /// Where STS is: as environment or profile say, else the region's own endpoint in its partition.
    async fn endpoint(&self) -> Result<String> {
        let key = ServiceConfigKey::builder().service_id("STS").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().map_err(Error::fault)?;
        let named = self.config.service_config().and_then(|config| config.load_config(key)).or_else(|| self.config.endpoint_url().map(str::to_owned));
        if let Some(url) = named {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let params = Params::builder().region(&self.region).use_global_endpoint(false).build().map_err(Error::fault)?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.map_err(|error| Error::fault(anyhow::anyhow!(error)))?;
        Ok(endpoint.url().trim_end_matches('/').to_owned())
    }
}

/// The signed URL.
fn presign(endpoint: &str, region: &str, cluster: &str, credentials: Credentials, now: SystemTime) -> Result<String> {
    let url = format!("{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15");
    let identity = Identity::from(credentials);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(SIGNED_FOR);
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(now).settings(settings).build().map_err(Error::fault)?;
    let headers = [(CLUSTER_HEADER, cluster)];
    let request = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::empty()).map_err(|error| Error::fault(anyhow::anyhow!(error)))?;
    let (instructions, _) = sign(request, &params.into()).map_err(|error| Error::fault(anyhow::anyhow!(error)))?.into_parts();
    let mut signed = http::Request::get(&url).body(()).map_err(Error::fault)?;
    instructions.apply_to_request_http1x(&mut signed);
    Ok(signed.uri().to_string())
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::UNIX_EPOCH,
    };

    use aws_config::Region;
    use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future};

    use super::*;

    /// Has none, after a moment, and counts who asked.
    #[derive(Clone, Debug, Default)]
    struct Nothing(Arc<AtomicUsize>);

    impl ProvideCredentials for Nothing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                self.0.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                provider::Result::Err(CredentialsError::not_loaded("there is nothing here"))
            })
        }
    }

    #[tokio::test]
    async fn those_who_wait_for_the_same_refusal_get_it_together() {
        let nothing = Nothing::default();
        let config = SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(SharedCredentialsProvider::new(nothing.clone()));
        let tokens = Tokens::new(config.build(), "eu-west-1", "lab");
        for error in futures::future::join_all((0..5).map(|_| tokens.authorization())).await {
            let error = error.unwrap_err();
            assert!(matches!(&error.kind, Kind::Aws(rejected) if rejected.code == Code::AwsDenied) && error.raw().contains("there is nothing here"), "{error}");
        }
        assert_eq!(nothing.0.load(Ordering::Relaxed), 1);
        tokens.held.lock().await.refused.as_mut().unwrap().at -= REFUSAL_KEPT;
        assert!(tokens.authorization().await.is_err());
        assert_eq!(nothing.0.load(Ordering::Relaxed), 2, "and then it is tried again");
    }

    fn tokens(endpoint: Option<&str>, expires_after: Option<SystemTime>) -> Tokens {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session".into()), expires_after, "test");
        let mut config = SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(SharedCredentialsProvider::new(credentials));
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Tokens::new(config.build(), "eu-west-1", "lab")
    }

    async fn url(tokens: &Tokens) -> String {
        let (header, _) = tokens.authorization().await.unwrap();
        let text = header.to_str().unwrap().strip_prefix("Bearer k8s-aws-v1.").expect("the prefix").to_owned();
        assert!(!text.contains(['=', '+', '/']), "URL-safe and without padding: {text}");
        String::from_utf8(URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_a_signed_question_who_asks_for_one_cluster() {
        let url = url::Url::parse(&url(&tokens(None, None)).await).unwrap();
        let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(url.host_str(), Some("sts.eu-west-1.amazonaws.com"));
        assert_eq!(query["Action"], "GetCallerIdentity");
        assert_eq!(query["X-Amz-Expires"], "60");
        assert_eq!(query["X-Amz-SignedHeaders"], "host;x-k8s-aws-id");
        assert_eq!(query["X-Amz-Security-Token"], "session");
        assert!(query["X-Amz-Credential"].ends_with("/eu-west-1/sts/aws4_request"));
        assert_eq!(query["X-Amz-Signature"].len(), 64);
    }

    #[tokio::test]
    async fn the_endpoint_of_the_environment_is_honoured() {
        assert!(url(&tokens(Some("http://127.0.0.1:4566/"), None)).await.starts_with("http://127.0.0.1:4566/?Action=GetCallerIdentity"));
    }

    #[tokio::test]
    async fn a_token_is_kept_until_it_ages_or_is_refused() {
        let tokens = tokens(None, None);
        let (first, signed_at) = tokens.authorization().await.unwrap();
        assert_eq!(tokens.authorization().await.unwrap().0, first);
        tokens.forget(UNIX_EPOCH).await;
        assert_eq!(tokens.authorization().await.unwrap().1, signed_at);
        tokens.forget(signed_at).await;
        assert!(tokens.authorization().await.unwrap().1 > signed_at);
    }

    #[tokio::test]
    async fn a_token_is_not_given_out_when_its_credentials_end() {
        let soon = clock::system_time() + Duration::from_secs(30);
        let tokens = tokens(None, Some(soon));
        let (_, first) = tokens.authorization().await.unwrap();
        assert!(tokens.authorization().await.unwrap().1 > first, "made anew each time");
    }
}
