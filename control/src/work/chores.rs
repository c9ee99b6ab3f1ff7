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

async fn sweep_all(control: &Control) -> Result<()> {
    let swept = [
        ("idempotency keys", idempotency::sweep(&mut *control.pool.acquire().await?).await?),
        ("operations", operations::sweep(&mut *control.pool.acquire().await?, control.settings.operation_retention).await?),
        ("sessions", sessions::sweep(control).await?),
        ("tokens", tokens::sweep(control).await?),
        ("links", links::sweep(control).await?),
        ("attempts", attempts::sweep(&control.pool).await?),
    ];
    for (what, count) in swept.into_iter().filter(|(_, count)| *count > 0) {
        tracing::debug!(what, count, "forgot what was past its time");
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
