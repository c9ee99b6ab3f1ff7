//! Leases: what must be done by one replica only. A lease ends by itself when its owner dies; its epoch fences an owner that only thought it was alive.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use crate::Result;

/// Takes the lease, or renews it. The epoch rises only with a change of owner.
///
/// # Errors
/// A fault when the database fails.
pub async fn acquire(pool: &PgPool, name: &str, owner: &str, lifetime: Duration) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar!(
        "insert into leases (name, owner, until) values ($1, $2, now() + make_interval(secs => $3))
         on conflict (name) do update
         set owner = $2, until = now() + make_interval(secs => $3), epoch = leases.epoch + (leases.owner <> $2)::integer
         where leases.owner = $2 or leases.until <= now()
         returning epoch",
        name,
        owner,
        lifetime.as_secs_f64()
    )
    .fetch_optional(pool)
    .await?)
}

/// Whether the lease is still held under this epoch; locks its row until the transaction ends.
///
/// # Errors
/// A fault when the database fails.
pub async fn holds(conn: &mut PgConnection, name: &str, epoch: i64) -> Result<bool> {
    let held = sqlx::query!("select name from leases where name = $1 and epoch = $2 and until > now() for share", name, epoch).fetch_optional(conn).await?;
    Ok(held.is_some())
}

/// Gives the lease back, so that another replica need not wait for its end.
///
/// # Errors
/// A fault when the database fails.
pub async fn release(pool: &PgPool, name: &str, owner: &str) -> Result<()> {
    sqlx::query!("update leases set until = now() where name = $1 and owner = $2", name, owner).execute(pool).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
