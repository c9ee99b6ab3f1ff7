//! Watching one cluster for as long as its lease is held.

use std::{fmt::Debug, future::pending, sync::Arc, time::Duration};

use domain::{access::TeamRole, ids::ClusterId};
use futures::future::{BoxFuture, FutureExt as _, try_join_all};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{LimitRange, Namespace, Node, Pod, ResourceQuota, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::RoleBinding,
};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    batch::Batch,
    rows::{self, DeploymentRow, NodeRow, Piece, PieceRow, PodRow},
    store::{self, Ended, Kept, Lease},
};
use crate::{
    Control, Result,
    access::WORKER,
    k8s::{
        self,
        labels::{MODEL_CONTAINER, SELECTOR},
        logs::{self, Container},
        watch::Watch,
    },
};

/// The most changes that are written together.
const MAX_BATCH: usize = 500;
/// How long to leave a cluster alone after errors in a row.
const BACKOFF: [Duration; 6] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];
/// Errors that are further apart than this are not in a row: one that comes each time after a list that went well is.
const APART: Duration = Duration::from_secs(60);
/// Last words are fetched for so many containers at once.
const WORDS_AT_ONCE: usize = 4;
const MAX_WORDS: usize = 4096;

/// Watches until the lease is lost.
///
/// # Errors
/// Faults of the database; what the cluster says is waited out.
pub(super) async fn watch(control: &Control, lease: Lease) -> Result<()> {
    let words = Words { control: control.clone(), lease, limit: Arc::new(Semaphore::new(WORDS_AT_ONCE)), tasks: TaskTracker::new() };
    try_join_all([
        follow::<Node, NodeRow>(control, lease, None, |node| Some(rows::node(node)), |_| {}).boxed(),
        follow::<Deployment, DeploymentRow>(control, lease, Some(SELECTOR), rows::deployment, |_| {}).boxed(),
        follow::<Pod, PodRow>(control, lease, Some(SELECTOR), rows::pod, |batch| words.fetch(batch)).boxed(),
        pieces::<Service>(control, lease),
        pieces::<ServiceAccount>(control, lease),
        pieces::<PodDisruptionBudget>(control, lease),
        pieces::<Namespace>(control, lease),
        pieces::<ResourceQuota>(control, lease),
        pieces::<LimitRange>(control, lease),
        pieces::<NetworkPolicy>(control, lease),
        pieces::<RoleBinding>(control, lease),
    ])
    .await?;
    Ok(())
}

fn pieces<K>(control: &Control, lease: Lease) -> BoxFuture<'_, Result<()>>
where
    K: Piece + Clone + DeserializeOwned + Debug,
{
    follow::<K, PieceRow<K>>(control, lease, Some(SELECTOR), rows::piece, |_| {}).boxed()
}

/// Watches one kind.
async fn follow<K, R>(control: &Control, lease: Lease, selector: Option<&str>, row: impl Fn(&K) -> Option<R>, written: impl Fn(&Batch<R>)) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    R: Kept,
{
    let key = |object: &K| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let mut watch: Option<Watch<K>> = None;
    let mut trouble = Trouble::default();
    loop {
        let seen = match &mut watch {
            Some(watch) => watch.next().await,
            None => match control.k8s.own(control, lease.cluster).await {
                Ok(client) => watch.insert(Watch::new(Api::all(client), selector)).next().await,
                Err(error) => Err(error),
            },
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                watch = if error.is_passing() { watch } else { None };
                stumble(control, lease.cluster, R::KIND, &error, &mut trouble).await?;
                continue;
            }
        };
        if std::mem::take(&mut trouble.now) {
            store::poke_scope(&control.pool, lease.cluster).await?;
        }
        let mut batch = Batch::new(seen, key, &row);
        while batch.len() < MAX_BATCH
            && let Some(Ok(Some(seen))) = watch.as_mut().map(Watch::ready)
        {
            batch.add(seen, key, &row);
        }
        metrics::counter!("slipway_watch_changes_total", "kind" => R::KIND).increment(batch.len() as u64);
        if !store::write(&control.pool, lease, &batch).await? {
            tracing::debug!(cluster = %lease.cluster, kind = R::KIND, "the lease was lost");
            return pending().await;
        }
        written(&batch);
    }
}

/// What a watch suffered.
#[derive(Default)]
struct Trouble {
    /// Whether nothing was heard since the last error.
    now: bool,
    in_a_row: usize,
    last: Option<Instant>,
}

impl Trouble {
    /// Another error; gives how long to leave the cluster alone.
    fn again(&mut self) -> Duration {
        if self.last.is_none_or(|last| last.elapsed() > APART) {
            self.in_a_row = 0;
        }
        let wait = BACKOFF[self.in_a_row.min(BACKOFF.len() - 1)];
        *self = Self { now: true, in_a_row: self.in_a_row + 1, last: Some(Instant::now()) };
        wait
    }
}

/// An error of the cluster: the reconciler is told at once, so that the page says so; then the cluster is left alone for a while.
async fn stumble(control: &Control, cluster: ClusterId, kind: &'static str, error: &k8s::Error, trouble: &mut Trouble) -> Result<()> {
    metrics::counter!("slipway_watch_errors_total", "kind" => kind).increment(1);
    tracing::debug!(%cluster, kind, %error, failures = trouble.in_a_row, "a watch stopped");
    let begins = !trouble.now;
    let wait = trouble.again();
    if begins {
        if matches!(error.kind, k8s::Kind::Other) {
            tracing::warn!(%cluster, kind, %error, "a watch came to nothing; it is tried again");
        }
        store::poke_cluster(&control.pool, cluster).await?;
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

/// Fetches the last words of containers whose pod does not carry them itself.
struct Words {
    control: Control,
    lease: Lease,
    limit: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Words {
    fn fetch(&self, batch: &Batch<PodRow>) {
        for row in batch.rows() {
            let Some(exit) = row.last_exit.as_ref().filter(|exit| exit.last_words.is_none()) else { continue };
            let (control, lease, limit) = (self.control.clone(), self.lease, Arc::clone(&self.limit));
            let (namespace, name, deployment, finished_at, from) = (row.namespace.clone(), row.name.clone(), row.deployment_id, exit.finished_at, row.words_from);
            self.tasks.spawn(async move {
                let Ok(_permit) = limit.acquire().await else { return };
                let ended = Ended { namespace: &namespace, name: &name, deployment, finished_at };
                if let Err(error) = fetch(&control, lease, &ended, from).await {
                    tracing::debug!(%error, namespace, name, "no last words");
                }
            });
        }
    }
}

/// Reads them as the team's viewer: Slipway itself may read nobody's logs.
async fn fetch(control: &Control, lease: Lease, ended: &Ended<'_>, from: Container) -> Result<()> {
    let Some(team) = store::team_of(&control.pool, lease.cluster, ended).await? else { return Ok(()) };
    let client = control.k8s.as_team(control, lease.cluster, team, TeamRole::Viewer, WORKER).await?;
    let pods: Api<Pod> = Api::namespaced(client, ended.namespace);
    if let Some(words) = logs::last_words(&pods, ended.name, MODEL_CONTAINER, from, MAX_WORDS).await? {
        store::write_last_words(&control.pool, lease, ended, &words).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_after_each_good_list_is_left_alone_for_longer_and_longer() {
        let mut trouble = Trouble::default();
        let waits: Vec<Duration> = (0..8)
            .map(|_| {
                // A list went well.
                trouble.now = false;
                trouble.again()
            })
            .collect();
        assert_eq!(waits[..6], BACKOFF);
        assert_eq!(waits[7], BACKOFF[5]);
        trouble.last = Some(Instant::now().checked_sub(APART * 2).unwrap());
        assert_eq!(trouble.again(), BACKOFF[0], "that was long ago");
    }
}
