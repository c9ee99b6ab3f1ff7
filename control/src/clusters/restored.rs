//! A database that is older than a cluster: it was restored from a backup. The cluster stays as it is, whole, until an admin has decided.

use domain::{
    Rejected,
    access::PlatformAction,
    audit::ActorKind,
    cluster::{Cluster, NewerThing},
    ids::{ClusterId, DeploymentId, WorkspaceId},
    operation::ObjectKind,
};
use uuid::Uuid;

use super::{get, store};
use crate::{
    Control, Ctx, Result,
    audit::{self, Event},
    deployments,
    inventory::cluster::MOST_AHEAD,
    live,
    reconcile::{Scope, rouse},
    workspaces,
};

/// Why nothing moves on a read-only cluster.
#[must_use]
pub fn why_read_only(cluster: &str) -> String {
    format!(
        "The cluster {cluster} holds newer things than Slipway's database, which was probably restored from a backup. Nothing is changed there until a platform admin has decided on the cluster's page."
    )
}

/// Notes that the cluster holds a newer generation of a thing than this database ever gave out. From then on the cluster is
/// read-only, and everything else on it is looked at too.
///
/// # Errors
/// A fault when the database fails.
pub async fn found_newer(control: &Control, cluster: ClusterId, (kind, object): (ObjectKind, Uuid), there: i64) -> Result<()> {
    let mut tx = control.pool.begin().await?;
    let Some(standing) = store::lock_standing(&mut tx, cluster).await? else { return Ok(()) };
    // Whoever looked may have looked before an admin decided.
    if !store::note_newer(&mut tx, cluster, (kind, object), there).await? {
        return Ok(());
    }
    if standing.writable {
        tracing::warn!(cluster = standing.name, "the cluster holds newer things than the database and is read-only from now on");
        store::set_read_only(&mut tx, cluster).await?;
        let event = Event::new("cluster.read_only", ObjectKind::Cluster, cluster.0, &standing.name).because(Some("it holds newer things than the database"));
        audit::record_later(&mut tx, (ActorKind::System, None, "slipway"), event).await?;
        rouse(&mut tx, Scope::Cluster(cluster.0)).await?;
    }
    live::changed(&mut tx, cluster.0).await?;
    Ok(tx.commit().await?)
}

/// What a read-only cluster holds in a newer generation than this database.
///
/// # Errors
/// `not_found` if the actor may not see the cluster.
pub async fn newer(ctx: &Ctx, id: ClusterId) -> Result<Vec<NewerThing>> {
    get(ctx, id).await?;
    store::newer(&mut *ctx.read().await?, id).await
}

/// Decides that this database is right: what it says is applied again, above what the cluster holds, and the cluster is read-only no more.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `conflict` when there is nothing to decide.
pub async fn accept_database(ctx: &Ctx, id: ClusterId) -> Result<Cluster> {
    ctx.attempt("cluster.accept_database", ObjectKind::Cluster, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "cluster")?;
    let mut tx = ctx.begin().await?;
    let cluster = store::lock(&mut tx, id).await?;
    ctx.check_version(cluster.version)?;
    if cluster.read_only_since.is_none() {
        return Err(Rejected::conflict(format!("{} holds nothing newer than the database: there is nothing to decide.", cluster.name)).into());
    }
    let newer = store::newer(&mut tx, id).await?;
    // Everything that is written to below, in the order in which everybody locks.
    let (workspaces, deployments): (Vec<&NewerThing>, Vec<&NewerThing>) = newer.iter().partition(|thing| thing.kind == ObjectKind::Workspace);
    let ids = |things: Vec<&NewerThing>| things.into_iter().map(|thing| thing.id).collect::<Vec<Uuid>>();
    workspaces::lock_all(&mut tx, &ids(workspaces)).await?;
    deployments::lock_all(&mut tx, &ids(deployments)).await?;
    rouse(&mut tx, Scope::Cluster(id.0)).await?;
    for thing in &newer {
        // No note can drive a generation to where none is left.
        let above = thing.there.min(thing.ours.saturating_add(MOST_AHEAD));
        match thing.kind {
            ObjectKind::Workspace => workspaces::raise(&mut tx, ctx, WorkspaceId(thing.id), above).await?,
            _ => deployments::raise(&mut tx, ctx, DeploymentId(thing.id), above).await?,
        }
    }
    store::set_writable(&mut tx, id).await?;
    let names: Vec<String> = newer.iter().map(|thing| format!("{} {} from {} over {}", thing.kind.as_str(), thing.name, thing.ours, thing.there)).collect();
    audit::record(&mut tx, ctx, Event::new("cluster.accept_database", ObjectKind::Cluster, id.0, &cluster.name).change("applied again", None::<()>, &names)).await?;
    live::changed(&mut tx, id.0).await?;
    let cluster = store::find(&mut tx, id).await?;
    tx.commit(cluster).await
}

#[cfg(test)]
#[path = "restored_tests.rs"]
mod tests;
