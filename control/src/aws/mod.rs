//! AWS: SDK types in, domain types out. Nothing here knows a resource of the portal.
//!
//! Every call names its region, has its own time limits and retries, and may take [`CALL_LIMIT`] in all.

pub mod ecr;
pub mod eks;
pub mod error;
pub mod iam;
pub mod probe;
pub mod sts;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    identity::IdentityCache,
    retry::RetryConfig,
    timeout::{TimeoutConfig, TimeoutConfigBuilder},
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{Builder, ConnectorBuilder, proxy::ProxyConfig, tls};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, identity::SharedIdentityCache};
use domain::Rejected;

pub use error::rejected;

/// The most one chain of calls may take, retries and credentials included.
pub const CALL_LIMIT: Duration = Duration::from_secs(10);

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
const CREDENTIALS_LIMIT: Duration = Duration::from_secs(8);
/// Sessions are renewed so long before they end, so that a token signed with them lives out its own time.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
const OWN_KEPT: Duration = Duration::from_secs(600);
const OWN_FAILURE_KEPT: Duration = Duration::from_secs(20);
/// Credentials in no use for long are dropped when more than these are held.
const MAX_HELD: usize = 256;

/// How to get into an account, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountAccess {
    /// The role to assume; without one, the process's own credentials are used as they are.
    pub role_arn: Option<String>,
    /// Given at AssumeRole, for the role's trust policy to ask for.
    pub external_id: String,
    /// Who it is done for, as CloudTrail gets to know them: the session's name, and its source identity where the role lets Slipway set it.
    pub on_behalf_of: String,
}

/// Hands out configurations for accounts and regions.
pub struct Aws {
    base: SdkConfig,
    held: Mutex<HashMap<(AccountAccess, String), Held>>,
    own: tokio::sync::Mutex<Option<(Instant, Result<String, Rejected>)>>,
}

struct Held {
    config: SdkConfig,
    used: Instant,
}

impl Aws {
    /// Reads the SDK's default chain: environment, profiles, web identity, container, instance.
    ///
    /// No region is looked up and no credentials are fetched before the first call needs them, so a machine that is not on AWS starts without waiting for an instance's metadata.
    pub async fn new() -> Self {
        let http = http_client();
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::from_static("us-east-1")).http_client(http);
        Self::over(loader.load().await)
    }

    /// The same over a configuration that was made elsewhere; its credentials and endpoints stay, its limits do not.
    #[must_use]
    pub fn over(base: SdkConfig) -> Self {
        let http = base.http_client().unwrap_or_else(http_client);
        let base = base
            .into_builder()
            .http_client(http)
            .timeout_config(limits().build())
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(400)).with_max_backoff(Duration::from_secs(2)))
            .identity_cache(credentials_cache())
            .build();
        Self { base, held: Mutex::default(), own: tokio::sync::Mutex::default() }
    }

    /// What clients for this account and region are made from. Asks nobody: a role is assumed at the first call and its session is shared and renewed before it ends.
    #[must_use]
    pub fn config(&self, access: &AccountAccess, region: &str) -> SdkConfig {
        let Some(role_arn) = &access.role_arn else { return self.ambient(region) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (access.clone(), region.to_owned());
        if let Some(known) = held.get_mut(&key) {
            known.used = Instant::now();
            return known.config.clone();
        }
        if held.len() >= MAX_HELD
            && let Some(oldest) = held.iter().min_by_key(|(_, held)| held.used).map(|(key, _)| key.clone())
        {
            held.remove(&oldest);
        }
        let ambient = self.ambient(region);
        let role = sts::AssumedRole::new(&ambient, role_arn, &access.external_id, &access.on_behalf_of);
        let config = ambient.into_builder().credentials_provider(SharedCredentialsProvider::new(role)).identity_cache(credentials_cache()).build();
        held.insert(key, Held { config: config.clone(), used: Instant::now() });
        config
    }

    /// The process's own credentials, in a region.
    #[must_use]
    pub fn ambient(&self, region: &str) -> SdkConfig {
        self.base.to_builder().region(Region::new(region.to_owned())).build()
    }

    /// The role or user that the process itself runs as. Pages show it, so the answer is kept for a while, and so is that there was none.
    ///
    /// # Errors
    /// `aws_denied`, `aws_unavailable`.
    pub async fn own_principal(&self, region: &str) -> Result<String, Rejected> {
        let mut own = self.own.lock().await;
        if let Some((at, answer)) = &*own
            && at.elapsed() < if answer.is_ok() { OWN_KEPT } else { OWN_FAILURE_KEPT }
        {
            return answer.clone();
        }
        let config = self.ambient(region);
        let asking = async {
            let identity = sts::identity(&config).await?;
            Ok(match iam::principal(&config, &identity).await {
                iam::Principal::Named(arn) | iam::Principal::Other(arn) => arn,
                iam::Principal::Root => identity.arn,
            })
        };
        let answer = probe::within(CONNECT_LIMIT, asking).await;
        *own = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Forgets the sessions of a role, so that the next call shows what its policies say now.
    pub fn forget(&self, role_arn: &str) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|(access, _), _| access.role_arn.as_deref() != Some(role_arn));
    }
}

/// Runs a chain of calls, or gives up after [`CALL_LIMIT`].
///
/// # Errors
/// Those of the calls; `aws_unavailable` when it took too long.
pub async fn bounded<T>(what: &str, calls: impl Future<Output = Result<T, Rejected>>) -> Result<T, Rejected> {
    match tokio::time::timeout(CALL_LIMIT, calls).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Rejected::new(
            domain::Code::AwsUnavailable,
            format!("AWS did not answer within {} seconds while Slipway wanted to {what}. Try again in a moment.", CALL_LIMIT.as_secs()),
        )),
    }
}

fn limits() -> TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT).operation_attempt_timeout(ATTEMPT_LIMIT).operation_timeout(CALL_LIMIT)
}

fn credentials_cache() -> SharedIdentityCache {
    IdentityCache::lazy().load_timeout(CREDENTIALS_LIMIT).buffer_time(RENEW_BEFORE).build()
}

/// One pool of connections for all clients; a client made without it would read the system's certificates and open connections of its own.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
