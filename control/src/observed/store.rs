//! The SQL of what is seen. Every write asks first whether the cluster's lease is still held under the epoch it was taken with.

mod deployments;
mod nodes;
mod pieces;
mod pods;

use std::time::Duration;

use domain::{Timestamp, ids::ClusterId};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{batch::Batch, lease_name};
use crate::{
    Result,
    k8s::{self, Way},
    leases, live,
    reconcile::{self, Scope},
};

/// Under which lease a cluster is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub cluster: ClusterId,
    pub epoch: i64,
}

/// A kind of object that is kept.
pub(super) trait Kept: Serialize + Sized + Send + Sync + 'static {
    const KIND: &'static str;
    /// Whether a change is a reason to look at the thing again.
    const POKES: bool;

    /// Namespace and name.
    fn key(&self) -> String;

    /// Writes rows and removes `gone`; with `whole`, everything else too. A row that names a thing which does not run in that
    /// cluster and namespace is not written: whoever can label an object elsewhere must not speak for it. Gives the ids of the
    /// things that changed.
    fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> impl Future<Output = Result<Vec<Uuid>>> + Send;
}

/// Writes a batch. False when the lease was lost: then nothing was written.
pub(super) async fn write<R: Kept>(pool: &PgPool, lease: Lease, batch: &Batch<R>) -> Result<bool> {
    let mut tx = pool.begin().await?;
    if !leases::holds(&mut tx, &lease_name(lease.cluster), lease.epoch).await? {
        return Ok(false);
    }
    sqlx::query!(
        "insert into observed_sync (cluster_id, kind, synced_at, lease_epoch) values ($1, $2, now(), $3)
         on conflict (cluster_id, kind) do update set synced_at = now(), lease_epoch = $3",
        lease.cluster.0,
        R::KIND,
        lease.epoch
    )
    .execute(&mut *tx)
    .await?;
    if !batch.is_quiet() {
        let rows = serde_json::to_value(batch.rows().collect::<Vec<_>>())?;
        let mut changed = R::put(&mut tx, lease.cluster, rows, &batch.gone(), batch.is_whole()).await?;
        // Always in the same order, so that the watches of two kinds never wait for each other.
        changed.sort_unstable();
        changed.dedup();
        for changed in changed {
            if R::POKES {
                reconcile::poke(&mut tx, changed).await?;
            }
            live::changed(&mut tx, changed).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// Has the reconciler look at the cluster now: its API server just came back, or just went away.
pub(super) async fn poke_cluster(pool: &PgPool, cluster: ClusterId) -> Result<()> {
    let mut tx = pool.begin().await?;
    reconcile::poke(&mut tx, cluster.0).await?;
    tx.commit().await?;
    Ok(())
}

/// The same, and everything that waits for the cluster.
pub(super) async fn poke_scope(pool: &PgPool, cluster: ClusterId) -> Result<()> {
    let mut tx = pool.begin().await?;
    reconcile::poke(&mut tx, cluster.0).await?;
    reconcile::poke_scope(&mut tx, Scope::Cluster(cluster.0)).await?;
    tx.commit().await?;
    Ok(())
}

/// A cluster there is to watch.
pub(super) struct Watched {
    pub id: ClusterId,
    pub way: Way,
}

/// The clusters there are to watch: those that there is a way into.
pub(super) async fn clusters(pool: &PgPool) -> Result<Vec<Watched>> {
    let rows = sqlx::query!(
        r#"select id as "id: ClusterId", endpoint, certificate_authority, connection from clusters
           where state <> 'gone' and (endpoint is not null or connection <> '{}') order by id"#
    )
    .fetch_all(pool)
    .await?;
    let watched = rows.into_iter().filter_map(|row| match serde_json::from_value(row.connection) {
        Ok(instead) => k8s::way(row.endpoint, row.certificate_authority, instead).map(|way| Watched { id: row.id, way }),
        Err(error) => {
            tracing::error!(%error, cluster = %row.id, "a cluster's connection is not understood; it is not watched");
            None
        }
    });
    Ok(watched.collect())
}

/// Takes or renews the lease of a cluster.
pub(super) async fn acquire(pool: &PgPool, cluster: ClusterId, owner: &str, lifetime: Duration) -> Result<Option<i64>> {
    leases::acquire(pool, &lease_name(cluster), owner, lifetime).await
}

/// The team that a pod's last words belong to; none when no deployment of ours runs there.
pub(super) async fn team_of(pool: &PgPool, cluster: ClusterId, ended: &Ended<'_>) -> Result<Option<domain::ids::TeamId>> {
    Ok(sqlx::query_scalar!(
        r#"select w.team_id as "team: domain::ids::TeamId" from deployments d join workspaces w on w.id = d.workspace_id where d.id = $1 and w.cluster_id = $2 and w.name = $3"#,
        ended.deployment,
        cluster.0,
        ended.namespace
    )
    .fetch_optional(pool)
    .await?)
}

/// A pod whose container ended.
pub(super) struct Ended<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub deployment: Uuid,
    pub finished_at: Option<Timestamp>,
}

/// Keeps the last words of a container, unless it was started and ended again meanwhile.
pub(super) async fn write_last_words(pool: &PgPool, lease: Lease, ended: &Ended<'_>, words: &str) -> Result<bool> {
    let mut tx = pool.begin().await?;
    if !leases::holds(&mut tx, &lease_name(lease.cluster), lease.epoch).await? {
        return Ok(false);
    }
    let finished_at = serde_json::to_value(ended.finished_at)?;
    let written = sqlx::query!(
        "update observed_pods set last_exit = jsonb_set(last_exit, '{last_words}', to_jsonb($4::text))
         where cluster_id = $1 and namespace = $2 and name = $3 and last_exit -> 'finished_at' = $5 and last_exit ->> 'last_words' is null",
        lease.cluster.0,
        ended.namespace,
        ended.name,
        words,
        finished_at
    )
    .execute(&mut *tx)
    .await?;
    if written.rows_affected() > 0 {
        reconcile::poke(&mut tx, ended.deployment).await?;
        live::changed(&mut tx, ended.deployment).await?;
    }
    tx.commit().await?;
    Ok(true)
}
