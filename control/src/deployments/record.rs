//! Writes down what a step came to. Each function is one transaction that asks first whether the claim is still held.

mod healing;

use domain::{
    deployment::DeploymentState,
    operation::{ChangedField, Failure, ObjectKind, StepState},
    serving::ModelMetadata,
};
use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    diagnosis,
    next::{Desired, Intent, Progress},
    revising::APPLY_AGAIN,
    store,
    subject::Subject,
    write::Left,
};
use crate::{
    Control,
    audit::{self, Event},
    inventory::{self, Entry, cluster::Put},
    live, operations,
    reconcile::{self, Claim, Halt},
};

pub(super) use healing::{healed, healed_partly};

/// The numbers of the steps in [`super::ROLL_OUT`] and [`super::DELETE`].
pub(super) mod steps {
    pub const CHECK: i32 = 1;
    pub const APPLY: i32 = 2;
    pub const START: i32 = 3;
    pub const RETIRE: i32 = 4;
    pub const ASK: i32 = 5;
    pub const REMOVE: i32 = 2;
    pub const GONE: i32 = 3;
}

type Done = Result<(), Halt>;

/// The claim's transaction, unless somebody wanted something else of the deployment since it was loaded: what they wrote must not be written over.
async fn begin(control: &Control, claim: &Claim, subject: &Subject) -> Result<Transaction<'static, Postgres>, Halt> {
    let mut tx = reconcile::begin(control, claim).await?;
    if store::is_still_wanted(&mut tx, subject).await? { Ok(tx) } else { Err(Halt::Lost) }
}

/// Moves a step of the operation, if one runs.
async fn note(conn: &mut PgConnection, subject: &Subject, number: i32, state: StepState, detail: Option<&str>) -> crate::Result<()> {
    match &subject.operation {
        Some(running) => operations::step(conn, running.id, number, state, detail).await,
        None => Ok(()),
    }
}

async fn state(tx: &mut Transaction<'static, Postgres>, subject: &Subject, state: DeploymentState, message: Option<&str>, ready: i32) -> Done {
    if store::set_state(tx, subject.id, state, message, ready).await? {
        live::changed(tx, subject.id.0).await?;
    }
    Ok(())
}

/// The place is not ready yet, or not just now. What runs already is thought to go on as it was seen last.
pub(super) async fn waiting(control: &Control, claim: &Claim, subject: &Subject, why: &str) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    let begun = subject.desired.intent == Intent::Run && subject.desired.applied == subject.desired.generation;
    note(&mut tx, subject, if begun { steps::START } else { steps::CHECK }, StepState::Running, Some(why)).await?;
    match (subject.desired.intent, subject.desired.applied) {
        (Intent::Run, 0) => state(&mut tx, subject, DeploymentState::Pending, Some(why), 0).await?,
        (Intent::Run, _) => {
            let ready = store::ready(&mut tx, subject).await?;
            state(&mut tx, subject, DeploymentState::RollingOut, Some(why), ready).await?;
        }
        (Intent::Hold | Intent::Delete, _) => {}
    }
    Ok(tx.commit().await?)
}

/// About to write the objects.
pub(super) async fn applying(control: &Control, claim: &Claim, subject: &Subject, entries: &[Entry]) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    inventory::intend(&mut tx, subject.id.0, entries).await?;
    note(&mut tx, subject, steps::CHECK, StepState::Done, None).await?;
    note(&mut tx, subject, steps::APPLY, StepState::Running, None).await?;
    Ok(tx.commit().await?)
}

/// Some of the objects were written before something stood in the way: what Slipway set of them is known all the same.
pub(super) async fn partly(control: &Control, claim: &Claim, subject: &Subject, put: &[Put]) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    inventory::applied(&mut tx, subject.id.0, subject.desired.generation, &put.iter().collect::<Vec<_>>()).await?;
    inventory::found(&mut tx, subject.id.0, put).await?;
    Ok(tx.commit().await?)
}

/// The objects were written.
pub(super) async fn applied(control: &Control, claim: &Claim, subject: &Subject, put: &[Put]) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    inventory::applied(&mut tx, subject.id.0, subject.desired.generation, &put.iter().collect::<Vec<_>>()).await?;
    inventory::found(&mut tx, subject.id.0, put).await?;
    let made = put.iter().filter(|put| put.made).count();
    let detail = format!("{made} made, {} changed", put.len() - made);
    note(&mut tx, subject, steps::APPLY, StepState::Done, Some(&detail)).await?;
    note(&mut tx, subject, steps::START, StepState::Running, None).await?;
    let ready = store::ready(&mut tx, subject).await?;
    state(&mut tx, subject, DeploymentState::RollingOut, None, ready).await?;
    Ok(tx.commit().await?)
}

/// How far a rollout is.
pub(super) async fn rolling(control: &Control, claim: &Claim, subject: &Subject, progress: Progress, words: Option<&str>) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    so_far(&mut tx, subject, progress, words).await?;
    state(&mut tx, subject, DeploymentState::RollingOut, words, progress.ready).await?;
    Ok(tx.commit().await?)
}

async fn so_far(tx: &mut Transaction<'static, Postgres>, subject: &Subject, progress: Progress, words: Option<&str>) -> Done {
    let Progress { wanted, ready, earlier, .. } = progress;
    let count = format!("{ready} of {wanted} ready");
    if let Some(running) = &subject.operation {
        for number in [steps::CHECK, steps::APPLY] {
            operations::step_over(tx, running.id, number).await?;
        }
    }
    if ready < wanted {
        let detail = words.map_or_else(|| count.clone(), |words| format!("{count}. {words}"));
        note(tx, subject, steps::START, StepState::Running, Some(&detail)).await?;
        return Ok(());
    }
    note(tx, subject, steps::START, StepState::Done, Some(&count)).await?;
    match earlier {
        0 => Ok(note(tx, subject, steps::RETIRE, StepState::Done, None).await?),
        1 => Ok(note(tx, subject, steps::RETIRE, StepState::Running, Some("1 is still there")).await?),
        n => Ok(note(tx, subject, steps::RETIRE, StepState::Running, Some(&format!("{n} are still there"))).await?),
    }
}

/// About to ask the model about itself; gives for how many seconds it was asked already.
pub(super) async fn asking(control: &Control, claim: &Claim, subject: &Subject, progress: Progress) -> Result<f64, Halt> {
    let mut tx = begin(control, claim, subject).await?;
    so_far(&mut tx, subject, progress, None).await?;
    note(&mut tx, subject, steps::ASK, StepState::Running, None).await?;
    let asked_for = match &subject.operation {
        Some(running) => operations::step_seconds(&mut tx, running.id, steps::ASK).await?,
        None => 0.0,
    };
    tx.commit().await?;
    Ok(asked_for)
}

/// What the model said about itself, or why it did not.
pub(super) async fn told(control: &Control, claim: &Claim, subject: &Subject, metadata: Option<&ModelMetadata>, why_not: Option<&str>) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    let value = metadata.map(serde_json::to_value).transpose().map_err(crate::Error::from)?;
    store::keep_metadata(&mut tx, subject.id, subject.desired.template_revision, value).await?;
    let (state, detail) = if metadata.is_some() { (StepState::Done, None) } else { (StepState::Skipped, why_not) };
    note(&mut tx, subject, steps::ASK, state, detail).await?;
    live::changed(&mut tx, subject.id.0).await?;
    Ok(tx.commit().await?)
}

/// The operation has succeeded.
pub(super) async fn finished(control: &Control, claim: &Claim, subject: &Subject, progress: Progress) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    so_far(&mut tx, subject, progress, None).await?;
    store::came_up(&mut tx, subject.id, subject.desired.revision).await?;
    state(&mut tx, subject, DeploymentState::Live, None, progress.serving).await?;
    if let Some(running) = &subject.operation
        && operations::finish(&mut tx, running.id, Ok(())).await?
    {
        let event = event(action(&running.verb), subject).change("replicas", None::<()>, progress.ready);
        audit::record_later(&mut tx, (running.actor_kind, running.actor_id, &running.actor_name), event).await?;
    }
    live::changed(&mut tx, subject.id.0).await?;
    Ok(tx.commit().await?)
}

/// How it stands with nothing under way, and what others set in the cluster. What failed keeps saying why until it comes up.
pub(super) async fn resting(control: &Control, claim: &Claim, subject: &Subject, found: DeploymentState, ready: i32, drift: &Drift) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    if found == DeploymentState::Live {
        store::came_up(&mut tx, subject.id, subject.desired.revision).await?;
    }
    let message = match found {
        DeploymentState::Degraded => Some(degraded(&subject.desired, ready, drift)),
        DeploymentState::Failed => store::why_failed(&mut tx, subject.id).await?,
        _ => None,
    };
    state(&mut tx, subject, found, message.as_deref(), ready).await?;
    Ok(tx.commit().await?)
}

/// What others set in the cluster, against what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drift {
    /// For how many replicas its object asks.
    pub asked: Option<i32>,
    /// The other fields.
    pub others: Vec<ChangedField>,
}

/// In what it falls short. What others set comes first: no replica that comes or goes mends that.
fn degraded(desired: &Desired, ready: i32, drift: &Drift) -> String {
    let (wanted, revision) = (desired.replicas, desired.revision);
    let replicas = |count: i32| if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") };
    let mut said = Vec::new();
    if ready == 0 && (!drift.others.is_empty() || drift.asked.is_some_and(|asked| asked != wanted)) {
        said.push("No replica answers.".to_owned());
    }
    if let Some(asked) = drift.asked.filter(|asked| *asked != wanted) {
        said.push(format!("Somebody set {} in the cluster; revision {revision} wants {wanted}.", replicas(asked)));
    }
    said.extend(changed(&drift.others, revision));
    if !said.is_empty() {
        return said.join(" ");
    }
    match ready {
        0 => format!("No replica answers; {wanted} wanted"),
        ready if ready > wanted => format!("{ready} replicas answer; {wanted} wanted"),
        ready => format!("{ready} of {wanted} replicas answer"),
    }
}

/// What others changed, in a sentence: what they set, and what they took away.
fn changed(others: &[ChangedField], revision: i32) -> Option<String> {
    const TOLD: usize = 3;
    let told: Vec<String> = others.iter().take(TOLD).map(|owned| format!("{} ({})", owned.whole(), owned.what())).collect();
    let more = match others.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!told.is_empty()).then(|| format!("Somebody changed in the cluster what revision {revision} wants: {}{more}.", told.join(", ")))
}

/// The cluster does not do it just now.
pub(super) async fn stuck(control: &Control, claim: &Claim, subject: &Subject, sentence: &str) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    let number = match subject.desired.intent {
        Intent::Delete => steps::REMOVE,
        _ if subject.desired.applied < subject.desired.generation => steps::APPLY,
        _ => steps::START,
    };
    note(&mut tx, subject, number, StepState::Running, Some(sentence)).await?;
    if subject.operation.is_some() {
        store::complain(&mut tx, subject.id, sentence).await?;
        live::changed(&mut tx, subject.id.0).await?;
    }
    Ok(tx.commit().await?)
}

/// The operation has failed. What served before goes on serving.
pub(super) async fn failed(control: &Control, claim: &Claim, subject: &Subject, failure: &Failure) -> Done {
    if subject.operation.is_none() {
        return healing::unhealed(control, claim, subject, failure).await;
    }
    let mut tx = begin(control, claim, subject).await?;
    let serving = store::serving(&mut tx, subject.id).await?;
    let mut failure = failure.clone();
    if let Some(live) = subject.live_revision.filter(|live| *live != subject.desired.revision && serving > 0) {
        // Some causes end with another's words.
        let end = if failure.cause.ends_with('.') { "" } else { "." };
        failure.cause = format!("{}{end} Revision {live} still serves.", failure.cause);
    }
    let short = diagnosis::short(&failure.code);
    match subject.desired.intent {
        Intent::Delete => state(&mut tx, subject, DeploymentState::Deleting, Some(short), serving).await?,
        _ => state(&mut tx, subject, DeploymentState::Failed, Some(short), serving).await?,
    }
    if let Some(running) = &subject.operation
        && operations::finish(&mut tx, running.id, Err(&failure)).await?
    {
        let event = event(action(&running.verb), subject).failed().because(Some(&failure.cause));
        audit::record_later(&mut tx, (running.actor_kind, running.actor_id, &running.actor_name), event).await?;
    }
    live::changed(&mut tx, subject.id.0).await?;
    Ok(tx.commit().await?)
}

/// On its way out.
pub(super) async fn deleting(control: &Control, claim: &Claim, subject: &Subject, left: Option<Left>) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    note(&mut tx, subject, steps::CHECK, StepState::Done, None).await?;
    match left {
        None => finish_or_start(&mut tx, subject).await?,
        Some(left) => {
            note(&mut tx, subject, steps::REMOVE, StepState::Done, None).await?;
            let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
            let detail = format!("{} and {} still there", count(left.objects, "object"), count(left.pods, "replica"));
            note(&mut tx, subject, steps::GONE, StepState::Running, Some(&detail)).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// The removal starts once; a later look does not start it again.
async fn finish_or_start(tx: &mut Transaction<'static, Postgres>, subject: &Subject) -> Done {
    let Some(running) = &subject.operation else { return Ok(()) };
    if operations::step_waits(tx, running.id, steps::REMOVE).await? {
        note(tx, subject, steps::REMOVE, StepState::Running, None).await?;
    }
    Ok(())
}

/// Nothing of it is left.
pub(super) async fn gone(control: &Control, claim: &Claim, subject: &Subject) -> Done {
    // Only an operation deletes: without one there is nobody to put it on the record for.
    let Some(running) = &subject.operation else { return Err(Halt::Lost) };
    let mut tx = begin(control, claim, subject).await?;
    if !operations::finish(&mut tx, running.id, Ok(())).await? {
        return Err(Halt::Lost);
    }
    audit::record_later(&mut tx, (running.actor_kind, running.actor_id, &running.actor_name), event(action(&running.verb), subject)).await?;
    inventory::forget(&mut tx, subject.id.0).await?;
    store::remove(&mut tx, subject.id).await?;
    live::changed(&mut tx, subject.id.0).await?;
    Ok(tx.commit().await?)
}

fn action(verb: &str) -> &'static str {
    match verb {
        "deploy" => "deployment.create",
        "roll back" => "deployment.roll_back",
        "delete" => "deployment.delete",
        verb if verb == APPLY_AGAIN.0 => APPLY_AGAIN.1,
        _ => "deployment.change",
    }
}

fn event(action: &'static str, subject: &Subject) -> Event {
    Event::new(action, ObjectKind::Deployment, subject.id.0, &subject.blueprint.name).of_team(subject.team, &subject.team_name)
}
