//! Operations: changes that are not instant. Resources start them; the worker carries them through.

#[cfg(test)]
mod kept_names_tests;
mod store;
#[cfg(test)]
mod tests;

use domain::{
    Rejected,
    access::TeamAction,
    audit::ActorKind,
    ids::{OperationId, TeamId},
    operation::{Failure, ObjectKind, Operation, OperationQuery, StepState},
    page::{Direction, Page},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Actor, Ctx, Result, access,
    audit::{self, Event},
    live,
    paging::{List, Paging},
    reconcile,
};
pub use store::{step_over, step_seconds, step_waits};

/// An operation to start.
pub struct New<'a> {
    /// `deploy`, `roll back`, `delete`, …
    pub verb: &'a str,
    pub object_kind: ObjectKind,
    pub object_id: Uuid,
    pub object_name: &'a str,
    /// The name of the cluster that it is on, if it is on one.
    pub cluster_name: Option<&'a str>,
    pub team: Option<(TeamId, &'a str)>,
    pub generation: i64,
    /// The titles of its steps, in order.
    pub steps: &'a [&'a str],
}

/// The operation that runs for a thing, as its reconciler needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub id: OperationId,
    pub verb: String,
    pub generation: i64,
    pub actor_kind: ActorKind,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
}

/// Starts an operation; one that still runs for the same thing is superseded.
///
/// # Errors
/// A fault when the database fails.
pub async fn start(conn: &mut PgConnection, ctx: &Ctx, new: New<'_>) -> Result<OperationId> {
    if let Some(superseded) = store::supersede(conn, new.object_id).await? {
        live::changed(conn, superseded.0).await?;
    }
    store::insert(conn, ctx.actor(), &new).await
}

/// Starts an operation of Slipway's own: what teams wanted before is applied again, whatever whoever caused it may do there. They are named in its audit event.
///
/// # Errors
/// A fault when the database fails.
pub async fn start_own(conn: &mut PgConnection, ctx: &Ctx, new: New<'_>) -> Result<OperationId> {
    start(conn, &ctx.acting_as(Actor::system("slipway")), new).await
}

/// The operation that runs for the thing, if any.
///
/// # Errors
/// A fault when the database fails.
pub async fn running(conn: &mut PgConnection, object: Uuid) -> Result<Option<Running>> {
    store::running(conn, object).await
}

/// Has the operation that runs for a thing carry another generation of it. Gives whether one runs.
///
/// # Errors
/// A fault when the database fails.
pub async fn carry(conn: &mut PgConnection, object: Uuid, generation: i64) -> Result<bool> {
    store::carry(conn, object, generation).await
}

/// Moves a step; says so to whoever watches only when something changed.
///
/// # Errors
/// A fault when the database fails.
pub async fn step(conn: &mut PgConnection, operation: OperationId, number: i32, state: StepState, detail: Option<&str>) -> Result<()> {
    if let Some(object) = store::step(conn, operation, number, state, detail).await? {
        live::changed(conn, operation.0).await?;
        live::changed(conn, object).await?;
    }
    Ok(())
}

/// Ends an operation, unless it is over already; open steps become done. After a failure the one that ran says what ended it, and the others are skipped.
///
/// # Errors
/// A fault when the database fails.
pub async fn finish(conn: &mut PgConnection, operation: OperationId, outcome: Result<(), &Failure>) -> Result<bool> {
    let ended = store::finish(conn, operation, outcome).await?;
    if let Some(object) = ended {
        live::changed(conn, operation.0).await?;
        live::changed(conn, object).await?;
    }
    Ok(ended.is_some())
}

/// The list of operations.
pub const LIST: List = List { name: "operations", sorts: &[("created_at", Direction::Descending)], searched: "its verb, what it is about, its cluster, team or who started it" };

/// The operations the actor may see.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &OperationQuery) -> Result<Page<Operation>> {
    ctx.actor().check_signed_in()?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &(query.state, query.object_kind, query.object_id))?;
    let mut conn = ctx.read().await?;
    let teams = access::readable(&mut conn, ctx.actor()).await?;
    let rows = store::list(&mut conn, teams.as_deref(), query, &paging).await?;
    paging.page(rows, |operation| (String::new(), operation.id.0), |operation| operation)
}

/// One operation.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: OperationId) -> Result<Operation> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    let teams = access::readable(&mut conn, ctx.actor()).await?;
    store::find(&mut conn, teams.as_deref(), id).await?.ok_or_else(|| Rejected::not_found("operation").into())
}

/// Why the newest operation on a thing failed; none when it did not.
///
/// # Errors
/// A fault when the database fails.
pub async fn last_failure(conn: &mut PgConnection, object: Uuid) -> Result<Option<Failure>> {
    store::last_failure(conn, object).await
}

/// What the record calls a cancel.
const CANCEL: &str = "deployment.cancel";

/// Cancels an operation: the thing is held as it is, its rollout paused in the cluster, without step or heal, until its next revision.
///
/// # Errors
/// `not_found` if the actor may not see it; `forbidden` without the right to change the thing; `conflict` when it is over or cannot be held.
pub async fn cancel(ctx: &Ctx, id: OperationId) -> Result<Operation> {
    ctx.attempt("operation.cancel", ObjectKind::Operation, Some(id.0));
    let mut tx = ctx.begin().await?;
    let teams = access::readable(&mut tx, ctx.actor()).await?;
    let operation = store::find(&mut tx, teams.as_deref(), id).await?.ok_or_else(|| Rejected::not_found("operation"))?;
    let object = operation.object_id;
    // Only a deployment's can be: the record keeps it with the deployment.
    if operation.object_kind == ObjectKind::Deployment {
        ctx.attempt(CANCEL, ObjectKind::Deployment, Some(object));
        ctx.naming(&operation.object_name);
    }
    match operation.team {
        Some(team) => {
            let membership = access::membership(&mut tx, ctx.actor(), team).await?;
            ctx.actor().check_team(team, membership, TeamAction::Deploy, "operation")?;
        }
        None => ctx.actor().check_platform(domain::access::PlatformAction::Manage, "operation")?,
    }
    store::lock_deployment(&mut tx, object).await?;
    if operation.state.is_over() || !store::cancel(&mut tx, id).await? {
        return Err(Rejected::conflict("This operation is over: there is nothing to cancel.").into());
    }
    if operation.object_kind != ObjectKind::Deployment || operation.verb == "delete" {
        return Err(Rejected::conflict("Only what is being rolled out can be held; this has to run to its end.").into());
    }
    store::hold_deployment(&mut tx, ctx.actor(), object).await?;
    // What goes on in the cluster is paused there.
    reconcile::poke(&mut tx, object).await?;
    let mut event = Event::new(CANCEL, ObjectKind::Deployment, object, &operation.object_name).change("operation", None::<()>, id).change("verb", None::<()>, &operation.verb);
    if let Some((team, name)) = operation.team.zip(operation.team_name.as_deref()) {
        event = event.of_team(team, name);
    }
    audit::record(&mut tx, ctx, event).await?;
    live::changed(&mut tx, id.0).await?;
    live::changed(&mut tx, object).await?;
    let operation = store::find(&mut tx, teams.as_deref(), id).await?.ok_or_else(|| Rejected::not_found("operation"))?;
    tx.commit(operation).await
}

/// Forgets operations that ended longer ago than they are kept; the record keeps what they did.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(conn: &mut PgConnection, keep: std::time::Duration) -> Result<u64> {
    store::sweep(conn, keep).await
}
