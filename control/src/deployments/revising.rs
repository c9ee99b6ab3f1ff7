//! What a change asks for, against what is wanted now, and the revision that comes of it.

use domain::{
    Rejected,
    deployment::DeploymentChange,
    error::Checks,
    ids::DeploymentId,
    operation::{ObjectKind, Started},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    ROLL_OUT, begin_operation, check_quota, event, new_operation,
    spec::{self, Spec},
    store::{self, Because, Found},
    usable_workspace,
};
use crate::{
    Ctx, Result, Tx,
    audit::{self, OLDER_ACCEPTED},
    inventory::cluster::told,
    live, operations,
    reconcile::{Scope, mark},
};

/// What follows from accepting a database that is older than its cluster: the operation's verb and the events' action.
pub(super) const APPLY_AGAIN: (&str, &str) = ("apply again", "deployment.apply_again");

/// A change that can be read, whether or not there is room for it.
pub(super) struct Asked {
    pub before: store::Wanted,
    pub release: store::Release,
    pub after: Spec,
    pub reason: Option<String>,
}

/// What a change asks for.
///
/// # Errors
/// `invalid_input` naming the field; `not_found` at `release` for one that is not the team's.
pub(super) async fn asked(conn: &mut PgConnection, found: &Found, change: &DeploymentChange) -> Result<Asked> {
    let before = wanted(conn, found, found.revision).await?;
    let release = match change.release {
        Some(release) if release != before.release.id => {
            let release = store::release(conn, release).await?.filter(|release| release.team == found.team).ok_or_else(|| Rejected::not_found("release").at("release"))?;
            if release.model != before.release.model {
                return Err(Rejected::field("release", format!("{} is a release of another model. Make a deployment of its own for it.", release.title())).into());
            }
            release
        }
        _ => before.release.clone(),
    };
    let mut checks = Checks::new();
    let replicas = change.replicas.unwrap_or(before.spec.replicas);
    spec::check_replicas(&mut checks, replicas);
    let environment = match &change.environment {
        Some(environment) => spec::check_environment(&mut checks, environment),
        None => before.spec.environment.clone(),
    };
    let reason = spec::check_reason(&mut checks, change.reason.as_deref());
    checks.finish()?;
    let after = Spec { release: release.id, size: change.size.unwrap_or(before.spec.size), replicas, environment };
    Ok(Asked { before, release, after, reason })
}

/// Writes the next revision and starts its rollout.
pub(super) async fn revise(
    mut tx: Tx,
    ctx: &Ctx,
    found: Found,
    (action, verb): (&'static str, &'static str),
    (release_before, before): (&str, Spec),
    (release_after, after): (&str, Spec),
    because: Because<'_>,
) -> Result<Started> {
    let because = Because { resumes: found.held, ..because };
    let workspace = usable_workspace(&mut tx, ctx, found.workspace).await?;
    check_quota(&mut tx, &workspace, Some(found.id), &after).await?;
    let (revision, generation) = store::revise(&mut tx, found.id).await?;
    let event = event(action, &found, because.reason)
        .change("revision", found.revision, revision)
        .change("release", release_before, release_after)
        .change("size", before.size, after.size)
        .change("replicas", before.replicas, after.replicas)
        .change("environment", &before.environment, &after.environment)
        .change("take_over", None::<()>, told(because.takes_over));
    store::insert_revision(&mut tx, found.id, revision, &after, because, ctx.actor()).await?;
    begin_operation(tx, ctx, &found, verb, generation, &ROLL_OUT, event).await
}

/// Locks deployments and their workspaces, for [`raise`].
///
/// # Errors
/// A fault when the database fails.
pub async fn lock_all(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    store::lock_all(conn, ids).await
}

/// Has what the database says stand against a newer generation that the cluster holds: it gets a generation above that one, and what served is applied again,
/// on the record as what the actor accepted.
///
/// # Errors
/// A fault when the database fails.
pub async fn raise(conn: &mut PgConnection, ctx: &Ctx, id: DeploymentId, above: i64) -> Result<()> {
    let Some(found) = store::find(conn, id).await? else { return Ok(()) };
    let generation = store::raise(conn, id, above).await?;
    if !operations::carry(conn, id.0, generation).await? && found.settled && !found.deleting {
        operations::start_own(conn, ctx, new_operation(&found, APPLY_AGAIN.0, generation, &ROLL_OUT)).await?;
        let event = event(APPLY_AGAIN.1, &found, Some(OLDER_ACCEPTED)).change("generation", above, generation);
        audit::record(conn, ctx, event.accepted()).await?;
    }
    mark(conn, id.0, ObjectKind::Deployment, Scope::Cluster(found.cluster.0), generation).await?;
    live::changed(conn, id.0).await
}

/// What a revision wants.
pub(super) async fn wanted(conn: &mut PgConnection, found: &Found, revision: i32) -> Result<store::Wanted> {
    store::wanted(conn, found.id, revision).await?.ok_or_else(|| anyhow::anyhow!("deployment {} lacks its revision {revision}", found.id).into())
}
