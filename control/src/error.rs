//! Two kinds of failure: *rejected*, on which the caller can act, and *fault*, which is ours.

use domain::{Code, Rejected};
use serde::de::DeserializeOwned;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller can act: typed, coded.
    #[error(transparent)]
    Rejected(#[from] Box<Rejected>),
    /// It happened already, under the same idempotency key; this is what it returned then.
    #[error("replayed")]
    Replayed(serde_json::Value),
    /// Ours: logged once at the edge, opaque outside.
    #[error(transparent)]
    Fault(#[from] anyhow::Error),
}

impl Error {
    /// The rejection, if it is one.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Replayed(_) | Self::Fault(_) => None,
        }
    }

    /// Whether it is a rejection with this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.rejected().is_some_and(|rejected| rejected.code == code)
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(Box::new(rejected))
    }
}

/// Whether somebody else kept what was asked for locked for longer than is waited.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    matches!(error, sqlx::Error::Database(database) if database.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// Whether the database ended a statement that took longer than it may.
fn is_given_up(error: &sqlx::Error) -> bool {
    const QUERY_CANCELED: &str = "57014";
    matches!(error, sqlx::Error::Database(database) if database.code().as_deref() == Some(QUERY_CANCELED))
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_busy(&error) {
            return Rejected::conflict("Somebody else is changing this just now. Nothing was done. Try again in a moment.").into();
        }
        if is_given_up(&error) {
            return Rejected::new(Code::Timeout, "Looking this up took too long and was given up. Narrow it down, or try again in a moment.").into();
        }
        Self::Fault(anyhow::Error::new(error).context("the database refused a statement"))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(anyhow::Error::new(error).context("a stored value does not have the expected shape"))
    }
}

/// Lets a named constraint speak: its violation is something the caller did.
pub trait OnConstraint<T> {
    /// Turns the violation of `constraint` into a rejection; anything else stays a fault.
    ///
    /// # Errors
    /// The rejection, or the fault.
    fn on_constraint(self, constraint: &str, rejected: impl FnOnce() -> Rejected) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    fn on_constraint(self, constraint: &str, rejected: impl FnOnce() -> Rejected) -> Result<T> {
        self.map_err(|error| match &error {
            sqlx::Error::Database(database) if database.constraint() == Some(constraint) => rejected().into(),
            _ => error.into(),
        })
    }
}

/// Gives a replayed answer back as if it had just been made.
pub trait OrReplay<T> {
    /// # Errors
    /// Whatever went wrong, other than that it happened already.
    fn or_replay(self) -> Result<T>;
}

impl<T: DeserializeOwned> OrReplay<T> for Result<T> {
    fn or_replay(self) -> Result<T> {
        match self {
            Err(Error::Replayed(answer)) => Ok(serde_json::from_value(answer)?),
            other => other,
        }
    }
}
