//! Requests that must not happen twice. The key is claimed and settled in the operation's own transaction: it exists if and only if the operation happened.

use domain::{Code, Rejected};
use sqlx::PgConnection;

use crate::{Error, Result, error::is_busy};

/// An idempotency key and the hash of the request it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The `Idempotency-Key` header, or a form's own.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
}

/// Claims the key. A concurrent claim of the same key waits here until the other transaction is over, as long as an operation waits for a lock.
///
/// # Errors
/// `Replayed` with the kept answer; `idempotency_mismatch`; `idempotency_in_progress` when the other one takes too long;
/// `conflict` when the answer held a secret and was not kept.
pub async fn claim(conn: &mut PgConnection, principal: &str, key: &Key) -> Result<()> {
    let claimed = sqlx::query!("insert into idempotency_keys (principal, key, request_hash) values ($1, $2, $3) on conflict do nothing", principal, key.key, &key.request_hash[..])
        .execute(&mut *conn)
        .await
        .map_err(in_progress)?;
    if claimed.rows_affected() == 1 {
        return Ok(());
    }
    check_new(conn, principal, key).await
}

/// Answers a repetition from what was kept, without claiming the key: for operations that ask somebody outside before their transaction.
///
/// # Errors
/// Those of [`claim`] but `idempotency_in_progress`: what is still under way has kept nothing yet.
pub async fn check_new(conn: &mut PgConnection, principal: &str, key: &Key) -> Result<()> {
    let kept = sqlx::query!("select request_hash, answer from idempotency_keys where principal = $1 and key = $2", principal, key.key).fetch_optional(conn).await?;
    let Some(kept) = kept else { return Ok(()) };
    if kept.request_hash != key.request_hash {
        return Err(Rejected::new(Code::IdempotencyMismatch, "This idempotency key was used for a different request. Use a new key.").into());
    }
    match kept.answer {
        Some(answer) => Err(Error::Replayed(answer)),
        None => Err(Rejected::conflict("This was done already, and its secret was shown then. It cannot be shown again.").into()),
    }
}

/// Keeps the answer.
///
/// # Errors
/// A fault when the database fails.
pub async fn settle(conn: &mut PgConnection, principal: &str, key: &str, answer: &serde_json::Value) -> Result<()> {
    sqlx::query!("update idempotency_keys set answer = $3 where principal = $1 and key = $2", principal, key, answer).execute(conn).await?;
    Ok(())
}

/// Forgets keys older than a day.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(conn: &mut PgConnection) -> Result<u64> {
    let swept = sqlx::query!("delete from idempotency_keys where created_at < now() - interval '1 day'").execute(conn).await?;
    Ok(swept.rows_affected())
}

fn in_progress(error: sqlx::Error) -> Error {
    if is_busy(&error) {
        return Rejected::new(Code::IdempotencyInProgress, "The same request is still under way. Ask again in a moment.").into();
    }
    error.into()
}

#[cfg(test)]
mod tests;
