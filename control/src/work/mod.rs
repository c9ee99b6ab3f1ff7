//! The worker: claims what is due, lets the reconciler of its kind take one step, settles the claim.
//!
//! It wakes when the database says that something is due and looks once a second besides, so that a lost message costs a
//! second and never an update. A panic stops one step of one thing; a process that dies leaves a claim that ends by itself.

mod chores;
pub mod points;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use domain::operation::ObjectKind;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Control, Error, Result, clusters, deployments,
    live::Change,
    reconcile::{self, Claim, Next},
    workspaces,
};

/// How many things one process looks at at once.
const AT_ONCE: usize = 16;
/// How long a lost message can go unnoticed.
const POLL: Duration = Duration::from_secs(1);
/// How long steps may go on after a stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Works until stopped: steps, and the chores that one process does for all.
///
/// # Errors
/// None at present: what fails is tried again.
pub async fn run(control: Control, stop: CancellationToken) -> anyhow::Result<()> {
    let owner: Arc<str> = format!("worker-{}", uuid::Uuid::now_v7()).into();
    tokio::join!(steps(&control, &owner, &stop), chores::seal(&control, &owner, &stop), chores::sweep(&control, &owner, &stop));
    Ok(())
}

/// Takes steps until stopped, then lets those that run come to their end.
async fn steps(control: &Control, owner: &Arc<str>, stop: &CancellationToken) {
    let mut changes = control.live.subscribe();
    let mut running: JoinSet<Option<Duration>> = JoinSet::new();
    let mut soonest = Instant::now();
    // When what was settled is due again: a claim made for something else must not forget it.
    let mut promised: BTreeSet<Instant> = BTreeSet::new();
    while !stop.is_cancelled() {
        let now = Instant::now();
        if soonest <= now {
            promised = promised.split_off(&now);
            soonest = promised.first().copied().unwrap_or(now + POLL).min(now + POLL);
            let room = AT_ONCE - running.len();
            match claim(control, owner, room).await {
                Ok(claims) => {
                    // A full hand means that there may be more.
                    if room > 0 && claims.len() == room {
                        soonest = Instant::now();
                    }
                    for claim in claims {
                        running.spawn(step(control.clone(), claim));
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot claim work"),
            }
        }
        let has_room = running.len() < AT_ONCE;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep_until(soonest), if has_room => {}
            () = work(&mut changes), if has_room => soonest = Instant::now(),
            Some(ended) = running.join_next(), if !running.is_empty() => {
                let now = Instant::now();
                if let Ok(Some(after)) = ended {
                    promised.insert(now + after);
                }
                // Its place, and its scope's, may be what something else waits for.
                soonest = now;
            }
        }
    }
    let ended = tokio::time::timeout(STOP_LIMIT, async { while running.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(steps = running.len(), "some steps did not end in time; another worker takes them up when their claims end");
    }
}

async fn claim(control: &Control, owner: &str, room: usize) -> Result<Vec<Claim>> {
    match i64::try_from(room).unwrap_or(i64::MAX) {
        0 => Ok(Vec::new()),
        room => reconcile::claim(&control.pool, owner, room, control.settings.times).await,
    }
}

/// Resolves when something is said to be due.
async fn work(changes: &mut Receiver<Change>) {
    loop {
        match changes.recv().await {
            Ok(Change::Work) | Err(RecvError::Lagged(_)) => break,
            Ok(Change::Object(_)) => {}
            // The hub lives as long as the control that this borrows; without it only the poll is left.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
    // Many messages are one reason to look.
    while let Ok(Change::Work | Change::Object(_)) | Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) = changes.try_recv() {}
}

/// Takes one step and settles its claim; gives after how long the thing is due again.
async fn step(control: Control, claim: Claim) -> Option<Duration> {
    let begun = Instant::now();
    let next = outcome(&claim, step_limit(&control), dispatch(&control, &claim)).await;
    let (word, again) = match &next {
        Next::Settled { again } | Next::Left { again } => ("settled", Some(*again)),
        Next::Again(after) | Next::Waits(after) => ("again", Some(*after)),
        Next::Gone => ("gone", None),
        Next::Failed { .. } => ("failed", None),
    };
    metrics::counter!("slipway_reconcile_steps_total", "kind" => claim.kind.as_str(), "outcome" => word).increment(1);
    metrics::histogram!("slipway_reconcile_step_seconds", "kind" => claim.kind.as_str()).record(begun.elapsed().as_secs_f64());
    if let Err(error) = reconcile::settle(&control.pool, &claim, &next, control.settings.times).await {
        tracing::warn!(%error, kind = claim.kind.as_str(), object = %claim.object_id, "cannot settle a claim; it ends by itself");
        return Some(Duration::ZERO);
    }
    again
}

/// The most a step may take: less than a claim lasts.
fn step_limit(control: &Control) -> Duration {
    control.settings.times.lease * 5 / 6
}

/// What a step came to, whatever it did: an error, a panic or no end is a failure like any other.
async fn outcome(claim: &Claim, limit: Duration, step: impl Future<Output = Result<Next>>) -> Next {
    let guarded = tokio::time::timeout(limit, AssertUnwindSafe(step).catch_unwind()).await;
    match guarded {
        Ok(Ok(Ok(next))) => {
            if let Next::Failed { error, .. } = &next {
                tracing::warn!(kind = claim.kind.as_str(), object = %claim.object_id, attempts = claim.attempts, error, "a step failed; it is tried again");
            }
            next
        }
        Ok(Ok(Err(error))) => {
            let error = match &error {
                Error::Fault(fault) => format!("{fault:#}"),
                Error::Rejected(_) | Error::Replayed(_) => error.to_string(),
            };
            tracing::error!(kind = claim.kind.as_str(), object = %claim.object_id, error, "a step went wrong on our side");
            Next::Failed { error, scope_is_down: false }
        }
        Ok(Err(panic)) => {
            let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something that is not text");
            tracing::error!(kind = claim.kind.as_str(), object = %claim.object_id, what, "a step panicked");
            Next::Failed { error: format!("panicked: {what}"), scope_is_down: false }
        }
        Err(_) => {
            tracing::warn!(kind = claim.kind.as_str(), object = %claim.object_id, "a step took too long");
            Next::Failed { error: format!("took longer than {} seconds", limit.as_secs_f32()), scope_is_down: true }
        }
    }
}

/// The reconcilers' futures are large and of many types; boxed, each is checked and moved on its own.
fn dispatch<'a>(control: &'a Control, claim: &'a Claim) -> BoxFuture<'a, Result<Next>> {
    match claim.kind {
        ObjectKind::Cluster => clusters::reconcile::run(control, claim).boxed(),
        ObjectKind::Workspace => workspaces::reconcile::run(control, claim).boxed(),
        ObjectKind::Deployment => deployments::reconcile::run(control, claim).boxed(),
        other => std::future::ready(Err(anyhow::anyhow!("nothing reconciles a {}", other.as_str()).into())).boxed(),
    }
}
