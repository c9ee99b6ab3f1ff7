//! STS: who we are, and becoming a role.

use std::{error::Error as StdError, fmt, time::SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_sts::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::assume_role::{AssumeRoleError, AssumeRoleOutput},
};
use domain::Rejected;

use super::error::{chain, find, is_denial, rejected};

/// Every role allows sessions of an hour, and a role assumed from a role allows no more.
const SESSION_SECONDS: i32 = 3600;

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// Of a user, or of an assumed role's session.
    pub arn: String,
}

/// Asks AWS who the credentials belong to.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn identity(config: &SdkConfig) -> Result<Identity, Rejected> {
    let answer = Client::new(config).get_caller_identity().send().await.map_err(|error| rejected(error, "ask who it is"))?;
    Ok(Identity { account: answer.account().unwrap_or_default().into(), arn: answer.arn().unwrap_or_default().into() })
}

/// Whether the role lets Slipway name the person as the session's source identity: tried for real.
///
/// # Errors
/// `aws_unavailable` when AWS could not say; a role that cannot be assumed at all is `aws_denied`.
pub async fn may_set_source_identity(ambient: &SdkConfig, role_arn: &str, external_id: &str, name: &str) -> Result<Option<String>, Rejected> {
    let role = AssumedRole::new(ambient, role_arn, external_id, name);
    match role.assume(Source::Named).await {
        Ok(_) => Ok(None),
        Err(error) => {
            let refused = RoleRefused::new(role_arn, &error);
            if !refused.denied {
                return Err(rejected(error, "assume the account's role"));
            }
            role.assume(Source::Unnamed).await.map_err(|error| rejected(error, "assume the account's role"))?;
            Ok(Some(refused.said))
        }
    }
}

/// A role that is assumed when credentials are needed.
///
/// The session carries the person as its source identity. That needs `sts:SetSourceIdentity` in the role's trust policy and
/// in the caller's own; where AWS refuses it, the role is assumed without, the session's name still carries the person, a
/// warning is logged, and the account's check shows what is missing.
pub struct AssumedRole {
    sts: Client,
    role_arn: String,
    external_id: String,
    name: String,
}

#[derive(Clone, Copy)]
enum Source {
    Named,
    Unnamed,
}

impl AssumedRole {
    /// `ambient` holds the credentials that the role trusts; `name` may hold letters, digits and `+=,.@_-` (no colon).
    #[must_use]
    pub fn new(ambient: &SdkConfig, role_arn: &str, external_id: &str, name: &str) -> Self {
        Self { sts: Client::new(ambient), role_arn: role_arn.into(), external_id: external_id.into(), name: name.into() }
    }

    async fn assume(&self, source: Source) -> Result<AssumeRoleOutput, SdkError<AssumeRoleError>> {
        let source = match source {
            Source::Named => Some(self.name.clone()),
            Source::Unnamed => None,
        };
        self.sts
            .assume_role()
            .role_arn(&self.role_arn)
            .external_id(&self.external_id)
            .role_session_name(session_name(&self.name))
            .set_source_identity(source)
            .duration_seconds(SESSION_SECONDS)
            .send()
            .await
    }

    async fn credentials(&self) -> provider::Result {
        let answer = match self.assume(Source::Named).await {
            Err(error) if error.code().is_some_and(is_denial) => {
                let answer = self.assume(Source::Unnamed).await;
                if answer.is_ok() {
                    tracing::warn!(role = self.role_arn, said = error.message(), "the role does not let Slipway name the person as source identity; assumed without it");
                }
                answer
            }
            other => other,
        };
        let answer = answer.map_err(|error| match find::<CredentialsError>(&error) {
            // Slipway has none of its own: that says more than that the role could not be assumed.
            Some(_) => CredentialsError::not_loaded(chain(&error)),
            None => CredentialsError::provider_error(RoleRefused::new(&self.role_arn, &error)),
        })?;
        let made = answer.credentials().ok_or_else(|| CredentialsError::unhandled("AssumeRole answered without credentials"))?;
        let until = SystemTime::try_from(*made.expiration()).map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(made.access_key_id(), made.secret_access_key(), Some(made.session_token().into()), Some(until), "slipway"))
    }
}

/// Session names take 64 characters.
fn session_name(name: &str) -> String {
    format!("slipway-{name}").chars().take(64).collect()
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole").field("role_arn", &self.role_arn).field("name", &self.name).finish_non_exhaustive()
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// The role could not be assumed.
#[derive(Debug)]
pub struct RoleRefused {
    pub role_arn: String,
    /// AWS said no, rather than nothing useful.
    pub denied: bool,
    pub said: String,
}

impl RoleRefused {
    fn new(role_arn: &str, error: &SdkError<AssumeRoleError>) -> Self {
        let denied = error.code().is_some_and(is_denial);
        let said = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => chain(error),
        };
        Self { role_arn: role_arn.into(), denied, said }
    }
}

impl fmt::Display for RoleRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role {} could not be assumed: {}", self.role_arn, self.said)
    }
}

impl StdError for RoleRefused {}
