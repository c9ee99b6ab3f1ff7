//! Writes down what came of a step, under the claim's epoch.

use domain::{
    audit::ActorKind,
    operation::{Failure, ObjectKind, StepState},
};
use sqlx::{Postgres, Transaction};

use super::{
    APPLY_AGAIN, KEEP, PREPARE, REPAIR, Which,
    next::Intent,
    reconcile::{PACE, REST},
    store,
    subject::Subject,
};
use crate::{
    Control, Ctx, Named, Result,
    audit::{self, Event},
    inventory::{
        self, Entry,
        cluster::{Put, When},
    },
    live, operations,
    reconcile::{self, Claim, Halt, Next, Scope, mark, poke},
};

/// The numbers of the steps.
const LOOK: i32 = 1;
const BOUNDS: i32 = 2;
const RIGHTS: i32 = 3;
const REMOVE: i32 = 1;
const GONE: i32 = 2;

/// The claim's transaction, unless somebody wanted something else of the workspace since it was loaded: what they wrote must not be written over.
async fn begin(control: &Control, claim: &Claim, subject: &Subject) -> Result<Transaction<'static, Postgres>, Halt> {
    let mut tx = reconcile::begin(control, claim).await?;
    if store::is_still_wanted(&mut tx, subject).await? { Ok(tx) } else { Err(Halt::Lost) }
}

/// The namespace is to be taken over. Written down before it is done: a namespace that was there is never deleted, whatever happens next.
pub(super) async fn adopting(control: &Control, claim: &Claim, subject: &Subject) -> Result<(), Halt> {
    let mut tx = begin(control, claim, subject).await?;
    sqlx::query!("update workspaces set adopted = true where id = $1", subject.blueprint.workspace.0).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// What is going to be made, before any of it is.
pub(super) async fn looked(control: &Control, claim: &Claim, subject: &Subject, entries: &[Entry]) -> Result<(), Halt> {
    let mut tx = begin(control, claim, subject).await?;
    inventory::intend(&mut tx, subject.blueprint.workspace.0, entries).await?;
    note(&mut tx, subject, LOOK, StepState::Done, None).await?;
    note(&mut tx, subject, BOUNDS, StepState::Running, None).await?;
    Ok(tx.commit().await?)
}

/// Namespace, quota and policies are there; the team's rights come next.
pub(super) async fn bounded(control: &Control, claim: &Claim, subject: &Subject) -> Result<(), Halt> {
    let mut tx = begin(control, claim, subject).await?;
    note(&mut tx, subject, BOUNDS, StepState::Done, None).await?;
    note(&mut tx, subject, RIGHTS, StepState::Running, None).await?;
    Ok(tx.commit().await?)
}

/// Some of it was written before something stood in the way: what Slipway set of it is known all the same.
pub(super) async fn partly(control: &Control, claim: &Claim, subject: &Subject, put: &[Put], when: When<'_>) -> Result<(), Halt> {
    let id = subject.blueprint.workspace.0;
    let mut tx = begin(control, claim, subject).await?;
    inventory::applied(&mut tx, id, subject.blueprint.generation, &written(put, when)).await?;
    inventory::found(&mut tx, id, put).await?;
    Ok(tx.commit().await?)
}

/// What of it was written, and not only seen to be there.
fn written<'a>(put: &'a [Put], when: When<'_>) -> Vec<&'a Put> {
    put.iter().filter(|put| when != When::Missing || put.made).collect()
}

/// Everything is there.
pub(super) async fn whole(control: &Control, claim: &Claim, subject: &Subject, put: &[Put], when: When<'_>) -> Result<Next, Halt> {
    let id = subject.blueprint.workspace;
    let mut tx = begin(control, claim, subject).await?;
    // What waited for the workspace goes on at once. Marks are locked before what is written down, as everybody does.
    let waiting = sqlx::query_scalar!("select id from deployments where workspace_id = $1 and state = 'pending' order by id", id.0).fetch_all(&mut *tx).await?;
    for deployment in waiting {
        poke(&mut tx, deployment).await?;
    }
    let made: Vec<&Put> = put.iter().filter(|put| put.made).collect();
    inventory::applied(&mut tx, id.0, subject.blueprint.generation, &written(put, when)).await?;
    inventory::seen(&mut tx, id.0).await?;
    let news = inventory::found(&mut tx, id.0, put).await?;
    let was_whole = sqlx::query_scalar!(r#"select state = 'ready' and state_message is null as "whole!" from workspaces where id = $1"#, id.0).fetch_one(&mut *tx).await?;
    sqlx::query!(
        "update workspaces set state = 'ready', state_message = null, state_raw = null, synced_at = now(), version = version + case when $2 then 1 else 0 end where id = $1",
        id.0,
        news
    )
    .execute(&mut *tx)
    .await?;
    match &subject.operation {
        Some(running) => {
            for number in [LOOK, BOUNDS, RIGHTS] {
                note(&mut tx, subject, number, StepState::Done, None).await?;
            }
            if operations::finish(&mut tx, running.id, Ok(())).await? {
                record(&mut tx, subject, event(action(&running.verb), subject)).await?;
            }
        }
        None if !made.is_empty() => {
            let names: Vec<String> = made.iter().map(|put| format!("{} {}", put.entry.kind, put.entry.name)).collect();
            let event = event("workspace.heal", subject).because(Some("it was missing in the cluster")).change("objects", None::<()>, &names);
            audit::record_later(&mut tx, (ActorKind::System, None, "slipway"), event).await?;
        }
        None => {}
    }
    if news || !was_whole || !made.is_empty() || subject.operation.is_some() {
        live::changed(&mut tx, id.0).await?;
    }
    tx.commit().await?;
    Ok(Next::Settled { again: REST })
}

/// It is on its way out.
pub(super) async fn going(control: &Control, claim: &Claim, subject: &Subject, detail: &str) -> Result<(), Halt> {
    let mut tx = begin(control, claim, subject).await?;
    note(&mut tx, subject, REMOVE, StepState::Done, None).await?;
    note(&mut tx, subject, GONE, StepState::Running, Some(detail)).await?;
    Ok(tx.commit().await?)
}

/// Nothing of it is left.
pub(super) async fn gone(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    let id = subject.blueprint.workspace.0;
    // Only an operation deletes: without one there is nobody to put it on the record for.
    let Some(running) = &subject.operation else { return Err(Halt::Lost) };
    let mut tx = begin(control, claim, subject).await?;
    if !operations::finish(&mut tx, running.id, Ok(())).await? {
        return Err(Halt::Lost);
    }
    record(&mut tx, subject, event(action(&running.verb), subject)).await?;
    inventory::forget(&mut tx, id).await?;
    sqlx::query!("delete from workspaces where id = $1", id).execute(&mut *tx).await?;
    live::changed(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Next::Gone)
}

/// It cannot go on just now: why.
pub(super) async fn waiting(control: &Control, claim: &Claim, subject: &Subject, why: &str) -> Result<Next, Halt> {
    let mut tx = begin(control, claim, subject).await?;
    note(&mut tx, subject, LOOK, StepState::Running, Some(why)).await?;
    complain(&mut tx, subject, why).await?;
    tx.commit().await?;
    Ok(Next::Again(PACE * 3))
}

/// The operation has failed; after a deletion the workspace is wanted again. With none it was a look: the workspace stands as before, and says why nobody knows.
pub(super) async fn failed(control: &Control, claim: &Claim, subject: &Subject, failure: &Failure) -> Result<Next, Halt> {
    let Some(running) = &subject.operation else {
        tracing::warn!(workspace = %subject.blueprint.workspace, code = failure.code, cause = failure.cause, "a look at a workspace came to nothing");
        let mut tx = begin(control, claim, subject).await?;
        complain(&mut tx, subject, &failure.cause).await?;
        tx.commit().await?;
        return Ok(Next::Settled { again: REST });
    };
    let mut tx = begin(control, claim, subject).await?;
    if operations::finish(&mut tx, running.id, Err(failure)).await? {
        record(&mut tx, subject, event(action(&running.verb), subject).failed().because(Some(&failure.cause))).await?;
    }
    if subject.desired.intent == Intent::Delete {
        keep(&mut tx, control, subject).await?;
    } else {
        sqlx::query!("update workspaces set state = 'failed', state_message = $2, state_raw = $3 where id = $1", subject.blueprint.workspace.0, failure.cause, failure.raw)
            .execute(&mut *tx)
            .await?;
    }
    live::changed(&mut tx, subject.blueprint.workspace.0).await?;
    tx.commit().await?;
    Ok(Next::Settled { again: REST })
}

/// Has everything written again: how much of it the deletion took is not known, and it was wanted before.
async fn keep(tx: &mut Transaction<'static, Postgres>, control: &Control, subject: &Subject) -> Result<()> {
    let which = Which {
        id: subject.blueprint.workspace,
        name: subject.blueprint.namespace.clone(),
        team: Named { id: subject.blueprint.team, name: subject.team_name.clone() },
        cluster: Named { id: subject.cluster, name: subject.cluster_name.clone() },
    };
    let generation = store::keep(tx, which.id).await?;
    operations::start(tx, &Ctx::worker(control.clone()), which.operation(KEEP.0, generation, &PREPARE)).await?;
    audit::record_later(tx, (ActorKind::System, None, "slipway"), which.event(KEEP.1).because(Some("its deletion was stopped"))).await?;
    mark(tx, which.id.0, ObjectKind::Workspace, Scope::Cluster(which.cluster.id.0), generation).await
}

/// Says why it does not go on, or cannot be looked at. What failed keeps saying why.
async fn complain(tx: &mut Transaction<'static, Postgres>, subject: &Subject, why: &str) -> Result<()> {
    let id = subject.blueprint.workspace.0;
    let said = sqlx::query!(
        "update workspaces set state_message = $2 where id = $1 and state_message is distinct from $2 and (state <> 'failed' or $3)",
        id,
        why,
        subject.operation.is_some()
    )
    .execute(&mut **tx)
    .await?;
    if said.rows_affected() > 0 {
        live::changed(tx, id).await?;
    }
    Ok(())
}

async fn note(tx: &mut Transaction<'static, Postgres>, subject: &Subject, number: i32, state: StepState, detail: Option<&str>) -> Result<()> {
    match &subject.operation {
        Some(running) => operations::step(tx, running.id, number, state, detail).await,
        None => Ok(()),
    }
}

async fn record(tx: &mut Transaction<'static, Postgres>, subject: &Subject, event: Event) -> Result<()> {
    if let Some(running) = &subject.operation {
        audit::record_later(tx, (running.actor_kind, running.actor_id, &running.actor_name), event).await?;
    }
    Ok(())
}

fn action(verb: &str) -> &'static str {
    match verb {
        "create" => "workspace.create",
        "delete" => "workspace.delete",
        verb if verb == APPLY_AGAIN.0 => APPLY_AGAIN.1,
        verb if verb == KEEP.0 => KEEP.1,
        verb if verb == REPAIR.0 => REPAIR.1,
        _ => "workspace.update",
    }
}

fn event(action: &'static str, subject: &Subject) -> Event {
    Event::new(action, ObjectKind::Workspace, subject.blueprint.workspace.0, &subject.blueprint.namespace).of_team(subject.blueprint.team, &subject.team_name)
}
