//! What AWS says when it does not do it, in words for people, with its own words kept.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use domain::{Code, Rejected};

use super::sts::RoleRefused;

/// AWS refuses who asks, whatever they ask for.
const DENIALS: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// AWS is asked too often.
const THROTTLES: [&str; 6] = ["LimitExceededException", "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException"];

/// Whether this error code means that AWS refuses who asks.
#[must_use]
pub fn is_denial(code: &str) -> bool {
    DENIALS.contains(&code)
}

/// The rejection that a failed call amounts to; `what` completes "Slipway wanted to".
pub fn rejected<E, R>(error: SdkError<E, R>, what: &str) -> Rejected
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if let SdkError::ServiceError(service) = &error {
        let (code, message) = (service.err().code().unwrap_or("without a code"), service.err().message().unwrap_or("no message"));
        let raw = format!("{code}: {message}");
        if is_denial(code) {
            return Rejected::new(Code::AwsDenied, format!("AWS refused Slipway when it wanted to {what}. An admin finds on the account's page what is missing.")).with_raw(raw);
        }
        let said = if THROTTLES.contains(&code) { "AWS was asked too often" } else { "AWS failed" };
        return Rejected::new(Code::AwsUnavailable, format!("{said} when Slipway wanted to {what}. Try again in a moment.")).with_raw(raw);
    }
    let raw = chain(&error);
    if let Some(refused) = find::<RoleRefused>(&error) {
        let rejected = match refused.denied {
            true => {
                Rejected::new(Code::AwsDenied, format!("AWS did not let Slipway assume the role {}. Its trust policy has to name Slipway and the external id.", refused.role_arn))
            }
            false => Rejected::new(Code::AwsUnavailable, format!("AWS could not say whether Slipway may assume the role {}. Try again in a moment.", refused.role_arn)),
        };
        return rejected.with_raw(refused.said.clone());
    }
    match find::<CredentialsError>(&error) {
        Some(CredentialsError::ProviderTimedOut(_)) => Rejected::new(Code::AwsUnavailable, format!("No AWS credentials came in time when Slipway wanted to {what}.")).with_raw(raw),
        Some(_) => Rejected::new(
            Code::AwsDenied,
            format!("Slipway has no AWS credentials of its own, so it cannot {what}. Give its process a role, a profile or environment variables that AWS's SDKs know."),
        )
        .with_raw(raw),
        None if matches!(error, SdkError::TimeoutError(_)) => {
            Rejected::new(Code::AwsUnavailable, format!("AWS did not answer in time when Slipway wanted to {what}. Try again in a moment.")).with_raw(raw)
        }
        None => Rejected::new(Code::AwsUnavailable, format!("AWS could not be reached when Slipway wanted to {what}.")).with_raw(raw),
    }
}

/// The first error of this type below `error`, or itself.
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The error with everything below it, in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = error.source();
    }
    text
}
