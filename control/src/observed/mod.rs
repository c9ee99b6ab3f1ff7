//! What is seen of clusters: watches, held by the replica that has a cluster's lease, write rows; pages and reconcilers read only these.

mod batch;
mod cluster;
#[cfg(test)]
pub mod fixture;
mod rows;
mod store;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

use domain::ids::ClusterId;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Control, k8s::Way, leases};
use store::Lease;

/// The least time between two rounds.
const BREATH: Duration = Duration::from_secs(1);

/// The lease under which a cluster is watched.
#[must_use]
pub fn lease_name(cluster: ClusterId) -> String {
    format!("cluster:{cluster}")
}

/// Watches every cluster whose lease this process gets, until stopped.
///
/// # Errors
/// None at present: a database that does not answer is waited for.
pub async fn run(control: Control, stop: CancellationToken) -> anyhow::Result<()> {
    let owner = Uuid::now_v7().to_string();
    let mut watched: HashMap<ClusterId, Watching> = HashMap::new();
    let mut changes = control.live.subscribe();
    while !stop.is_cancelled() {
        if let Err(error) = round(&control, &owner, &mut watched).await {
            tracing::warn!(%error, "the leases of clusters could not be renewed");
        }
        let wait = async {
            // A cluster that was just attached need not wait for the next round; a busy day must not make rounds of its own.
            tokio::time::sleep(BREATH).await;
            tokio::select! {
                () = tokio::time::sleep(every(&control).saturating_sub(BREATH)) => {}
                _ = changes.recv() => {}
            }
        };
        stop.run_until_cancelled(wait).await;
        while changes.try_recv().is_ok() {}
    }
    for (id, watching) in watched {
        watching.stop().await;
        // Whoever takes over need not wait for the lease to end.
        if let Err(error) = leases::release(&control.pool, &lease_name(id), &owner).await {
            tracing::debug!(%error, cluster = %id, "a lease was not given back; it ends by itself");
        }
    }
    Ok(())
}

/// How often leases are renewed and new clusters looked for: several times before a lease ends.
fn every(control: &Control) -> Duration {
    control.settings.times.watch / 4
}

/// Renews the leases that are held, takes those that are free, lets go of clusters that are gone.
async fn round(control: &Control, owner: &str, watched: &mut HashMap<ClusterId, Watching>) -> crate::Result<()> {
    let clusters = store::clusters(&control.pool).await?;
    let gone: Vec<ClusterId> = watched.keys().filter(|id| !clusters.iter().any(|cluster| cluster.id == **id)).copied().collect();
    for id in gone {
        if let Some(watching) = watched.remove(&id) {
            watching.stop().await;
            leases::release(&control.pool, &lease_name(id), owner).await?;
        }
    }
    for store::Watched { id, way } in clusters {
        // What goes on where the cluster was reached before would send tokens there.
        if watched.get(&id).is_some_and(|watching| watching.way != way)
            && let Some(old) = watched.remove(&id)
        {
            old.stop().await;
        }
        if watched.get(&id).is_some_and(|watching| watching.renewed.elapsed() < every(control) && !watching.task.is_finished()) {
            continue;
        }
        let epoch = store::acquire(&control.pool, id, owner, control.settings.times.watch).await?;
        if let Some(watching) = watched.get_mut(&id)
            && Some(watching.epoch) == epoch
            && !watching.task.is_finished()
        {
            watching.renewed = Instant::now();
            continue;
        }
        if let Some(old) = watched.remove(&id) {
            old.stop().await;
        }
        if let Some(epoch) = epoch {
            tracing::info!(cluster = %id, epoch, "watching");
            watched.insert(id, Watching::start(control.clone(), Lease { cluster: id, epoch }, way));
        }
    }
    Ok(())
}

/// A cluster that is being watched.
struct Watching {
    epoch: i64,
    way: Way,
    renewed: Instant,
    task: JoinHandle<()>,
}

impl Watching {
    fn start(control: Control, lease: Lease, way: Way) -> Self {
        let task = tokio::spawn(async move {
            if let Err(error) = cluster::watch(&control, lease).await {
                tracing::warn!(%error, cluster = %lease.cluster, "watching a cluster stopped; it begins again");
            }
        });
        Self { epoch: lease.epoch, way, renewed: Instant::now(), task }
    }

    async fn stop(self) {
        self.task.abort();
        // Aborted is what was asked for; a panic was logged by the hook already.
        let _ = self.task.await;
    }
}
