//! Why a step came to nothing, for whatever is reconciled in a cluster.

use std::time::Duration;

use domain::operation::Failure;
use sqlx::{Postgres, Transaction};

use super::{Claim, holds};
use crate::{Control, Error, Result, inventory::cluster::Refused, k8s};

/// After so many refusals in a row a refusal is taken seriously: bindings take a moment to be known.
pub const PATIENCE: i32 = 4;
/// What is being deleted is looked at again after this long.
const GOING: Duration = Duration::from_secs(1);

/// Why a step came to nothing.
pub enum Halt {
    /// The operation has failed.
    Failed(Failure),
    /// The cluster did not do it.
    Outside(k8s::Error),
    /// The cluster holds a generation that this database never gave out.
    Ahead(i64),
    /// Not now.
    Later(Duration),
    /// Another worker has it.
    Lost,
    Ours(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Ours(error.into())
    }
}

impl From<k8s::Error> for Halt {
    fn from(error: k8s::Error) -> Self {
        Self::Outside(error)
    }
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Outside(error) => Self::Outside(error),
            Refused::Going(_) => Self::Later(GOING),
            Refused::Ahead(there) => Self::Ahead(there),
            Refused::Foreign(entry) => {
                let place = if entry.namespace.is_empty() { "the cluster" } else { &entry.namespace };
                Self::Failed(Failure {
                    code: "name_taken".into(),
                    cause: format!("There is a {} {} in {place} already that Slipway did not make. It was left as it is.", entry.kind, entry.name),
                    next: "Choose another name, or ask a platform admin to remove or rename it.".into(),
                    raw: None,
                    remedy: None,
                })
            }
        }
    }
}

/// A transaction that writes down what a step came to, as long as the claim is still ours.
///
/// # Errors
/// `Lost` when it is not; `Ours` when the database fails.
pub async fn begin(control: &Control, claim: &Claim) -> Result<Transaction<'static, Postgres>, Halt> {
    let mut tx = control.pool.begin().await?;
    if holds(&mut tx, claim).await? { Ok(tx) } else { Err(Halt::Lost) }
}

/// What came of writing it down. A claim that was lost meanwhile is the other worker's to settle.
///
/// # Errors
/// A fault of ours.
pub fn unlost<T>(outcome: Result<T, Halt>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(Halt::Ours(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Entry;

    #[test]
    fn what_is_not_ours_is_named_with_its_place() {
        let cause = |entry| match Halt::from(Refused::Foreign(entry)) {
            Halt::Failed(failure) => failure.cause,
            _ => panic!("a stranger's object is a failure"),
        };
        assert!(cause(Entry::new("Service", "forecasting", "iris")).contains("a Service iris in forecasting already"));
        assert!(cause(Entry::new("Namespace", "", "forecasting")).contains("a Namespace forecasting in the cluster already"));
    }
}
