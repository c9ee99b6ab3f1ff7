//! What one process does for all: sealing the record, forgetting what is past its time. Leases choose the process.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;

use crate::{Control, Result, attempts, audit, idempotency, leases, links, operations, sessions, tokens};

const SEAL_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Long enough that a slow round does not lose the lease, short enough that another process soon takes over.
const LEASE: Duration = Duration::from_secs(15);

/// A chore: one round of it.
type Chore = for<'a> fn(&'a Control) -> BoxFuture<'a, Result<()>>;

/// Seals audit events, every second.
pub(super) async fn seal(control: &Control, owner: &str, stop: &CancellationToken) {
    let chore: Chore = |control| seal_all(control).boxed();
    every(control, "sealer", owner, stop, SEAL_EVERY, chore).await;
}

/// Forgets what is past its time, every minute.
pub(super) async fn sweep(control: &Control, owner: &str, stop: &CancellationToken) {
    let chore: Chore = |control| sweep_all(control).boxed();
    every(control, "sweeper", owner, stop, SWEEP_EVERY, chore).await;
}

async fn seal_all(control: &Control) -> Result<()> {
    while audit::seal::seal(&control.pool).await? > 0 {}
    Ok(())
}

/// One that fails keeps none of the others from their turn.
async fn sweep_all(control: &Control) -> Result<()> {
    let sweeps: [(&str, BoxFuture<'_, Result<u64>>); 6] = [
        ("idempotency keys", async { idempotency::sweep(&mut *control.pool.acquire().await?).await }.boxed()),
        ("operations", async { operations::sweep(&mut *control.pool.acquire().await?, control.settings.operation_retention).await }.boxed()),
        ("sessions", sessions::sweep(control).boxed()),
        ("tokens", tokens::sweep(control).boxed()),
        ("links", links::sweep(control).boxed()),
        ("attempts", attempts::sweep(&control.pool).boxed()),
    ];
    for (what, sweep) in sweeps {
        match sweep.await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(what, count, "forgot what was past its time"),
            Err(error) => tracing::warn!(%error, what, "what is past its time could not be forgotten; it is tried again"),
        }
    }
    Ok(())
}

/// Does a chore at intervals while the lease is held, and gives the lease back at the end.
async fn every(control: &Control, name: &str, owner: &str, stop: &CancellationToken, interval: Duration, chore: Chore) {
    while !stop.is_cancelled() {
        match leases::acquire(&control.pool, name, owner, LEASE.max(interval * 2)).await {
            Ok(Some(_)) => {
                if let Err(error) = chore(control).await {
                    tracing::warn!(%error, chore = name, "a chore failed; it is tried again");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, chore = name, "cannot take a lease"),
        }
        stop.run_until_cancelled(tokio::time::sleep(interval)).await;
    }
    if let Err(error) = leases::release(&control.pool, name, owner).await {
        tracing::warn!(%error, chore = name, "cannot give a lease back; it ends by itself");
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::sweep_all;
    use crate::testing::World;

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn a_sweep_that_fails_keeps_no_other_from_its_turn(pool: PgPool) {
        let world = World::new(pool.clone()).await;
        sqlx::query("insert into attempts (key, window_start) values ('sign-in:address:203.0.113.7', now() - interval '1 day')").execute(&pool).await.unwrap();
        sqlx::query("alter table idempotency_keys rename to elsewhere").execute(&pool).await.unwrap();
        sweep_all(&world.control).await.unwrap();
        let left: i64 = sqlx::query_scalar("select count(*) from attempts").fetch_one(&pool).await.unwrap();
        assert_eq!(left, 0);
    }
}
