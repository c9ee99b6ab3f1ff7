//! Takes one step for a workspace: loads both sides, lets [`next`] decide, does it, writes down what came of it.

use std::time::Duration;

use domain::{
    access::PlatformAction,
    audit::ActorKind,
    cluster::ClusterState,
    ids::{ClusterId, TeamId, WorkspaceId},
    operation::{Failure, ObjectKind, StepState},
    workspace::{Quota, WorkspaceState},
};
use kube::Client;
use sqlx::{Postgres, Transaction};

use super::{
    manifests::Blueprint,
    next::{Adoption, Applied, Carried, Cluster, Desired, Intent, Namespace, Step, next},
    write,
};
use crate::{
    Control, Result, access,
    audit::{self, Event},
    inventory::{
        self, Entry,
        cluster::{Put, Refused, When},
    },
    k8s::{self, Kind},
    live, operations,
    reconcile::{Claim, Next, holds, poke},
    work::points,
};

const REST: Duration = Duration::from_secs(600);
const PACE: Duration = Duration::from_secs(1);
/// After so many refusals in a row a refusal is taken seriously.
const PATIENCE: i32 = 4;

/// The numbers of the steps.
const LOOK: i32 = 1;
const BOUNDS: i32 = 2;
const RIGHTS: i32 = 3;
const REMOVE: i32 = 1;
const GONE: i32 = 2;

/// Why a step came to nothing.
enum Halt {
    Failed(Failure),
    Outside(k8s::Error),
    Later(Duration),
    Lost,
    Ours(crate::Error),
}

impl From<crate::Error> for Halt {
    fn from(error: crate::Error) -> Self {
        Self::Ours(error)
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        Self::Ours(error.into())
    }
}

impl From<k8s::Error> for Halt {
    fn from(error: k8s::Error) -> Self {
        Self::Outside(error)
    }
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Outside(error) => Self::Outside(error),
            Refused::Going(_) => Self::Later(PACE),
            Refused::Ahead(there) => Self::Failed(older(there)),
            Refused::Foreign(entry) => Self::Failed(failure(
                "name_taken",
                format!("There is a {} {} in the namespace already that Slipway did not make. It was left as it is.", entry.kind, entry.name),
                "Remove or rename it, then try again.",
            )),
        }
    }
}

/// A workspace with everything around it.
struct Subject {
    blueprint: Blueprint,
    desired: Desired,
    operation: Option<operations::Running>,
    team_name: String,
    cluster: ClusterId,
    cluster_name: String,
    /// Whether the team keeps no other workspace on this cluster: of several that are deleted together, none must wait for another.
    last_of_team: bool,
}

/// Takes one step.
///
/// # Errors
/// Faults only; what the cluster says is in what is returned.
pub async fn run(control: &Control, claim: &Claim) -> Result<Next> {
    let Some(subject) = load(control, WorkspaceId(claim.object_id)).await? else { return Ok(Next::Gone) };
    match step(control, claim, &subject).await {
        Ok(next) => Ok(next),
        Err(halt) => halted(control, claim, &subject, halt).await,
    }
}

async fn load(control: &Control, id: WorkspaceId) -> Result<Option<Subject>> {
    let mut conn = control.pool.acquire().await?;
    let row = sqlx::query!(
        r#"select w.name, w.team_id as "team: TeamId", t.name as team_name, w.cluster_id as "cluster: ClusterId", c.name as cluster_name, c.state as "cluster_state: ClusterState",
                  c.state_message, w.may_adopt, w.adopted, w.cpu_millis, w.memory_mib, w.gpus, w.pods, w.generation, w.deleting_at is not null as "deleting!",
                  i.entries as "entries!", i.applied as "applied!",
                  not exists (select from workspaces other where other.team_id = w.team_id and other.cluster_id = w.cluster_id and other.id <> w.id and other.deleting_at is null) as "last_of_team!"
           from workspaces w join teams t on t.id = w.team_id join clusters c on c.id = w.cluster_id
           cross join lateral (select count(*) as entries, coalesce(min(generation), 0) as applied from inventory where object_id = w.id) i
           where w.id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let operation = operations::running(&mut conn, id.0).await?.filter(|running| running.generation == row.generation);
    let desired = Desired {
        intent: if row.deleting { Intent::Delete } else { Intent::Keep },
        operation: if operation.is_some() { Carried::ByAnOperation } else { Carried::No },
        applied: if row.entries > 0 && row.applied == row.generation { Applied::Wholly } else { Applied::Not },
        adoption: match (row.adopted, row.may_adopt) {
            (true, _) => Adoption::Done,
            (false, true) => Adoption::Allowed,
            (false, false) => Adoption::Refused,
        },
        cluster: match row.cluster_state {
            ClusterState::Connected => Cluster::Connected,
            ClusterState::Gone => Cluster::Gone,
            ClusterState::Connecting | ClusterState::NeedsAccess | ClusterState::Unreachable => {
                Cluster::Away(row.state_message.unwrap_or_else(|| format!("The cluster {} is not connected.", row.cluster_name)))
            }
        },
    };
    let blueprint = Blueprint {
        installation: control.installation,
        workspace: id,
        team: row.team,
        namespace: row.name,
        generation: row.generation,
        quota: Quota { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
    };
    Ok(Some(Subject { blueprint, desired, operation, team_name: row.team_name, cluster: row.cluster, cluster_name: row.cluster_name, last_of_team: row.last_of_team }))
}

async fn step(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    check_actor(control, subject).await?;
    let name = &subject.blueprint.namespace;
    if subject.desired.cluster != Cluster::Connected {
        return apart(control, claim, subject).await;
    }
    let client = control.k8s.own(control, subject.cluster).await?;
    let seen = write::see(&client, &subject.blueprint).await?;
    match next(&subject.desired, seen) {
        Step::Leave => Ok(Next::Settled { again: REST }),
        Step::Wait(why) => wait(control, claim, subject, &why).await,
        Step::Make => make(control, claim, subject, &client, When::Always).await,
        Step::Verify => make(control, claim, subject, &client, When::Missing).await,
        Step::Adopt => {
            // Written down before it is done: a namespace that was there is never deleted, whatever happens next.
            let mut tx = begin(control, claim).await?;
            sqlx::query!("update workspaces set adopted = true where id = $1", subject.blueprint.workspace.0).execute(&mut *tx).await?;
            tx.commit().await?;
            points::reached("workspace.adopting").await;
            write::adopt(&client, &subject.blueprint).await?;
            Ok(Next::Again(Duration::ZERO))
        }
        Step::RefuseTheirs => Err(Halt::Failed(failure(
            "namespace_exists",
            format!("The cluster has a namespace {name} already, which Slipway did not make."),
            "Choose another name, or make the workspace again and allow it to take over the existing namespace.",
        ))),
        Step::RefuseTaken => {
            Err(Halt::Failed(failure("namespace_taken", format!("The namespace {name} belongs to another workspace or another Slipway."), "Choose another name.")))
        }
        Step::Older { there } => Err(Halt::Failed(older(there))),
        Step::GiveUp => Err(Halt::Failed(cluster_gone(subject))),
        Step::Remove => remove(control, claim, subject, &client).await,
        Step::Release => release(control, claim, subject, &client).await,
        Step::AwaitGone => {
            gone_soon(control, claim, subject, "Kubernetes is deleting the namespace").await?;
            Ok(Next::Again(PACE))
        }
        Step::Forget => {
            if subject.last_of_team {
                write::remove_accounts(&client, &subject.blueprint).await?;
            }
            forget(control, claim, subject).await
        }
    }
}

/// What can be done without the cluster.
async fn apart(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    match next(&subject.desired, Namespace::Unseen) {
        Step::Wait(why) => wait(control, claim, subject, &why).await,
        Step::GiveUp => Err(Halt::Failed(cluster_gone(subject))),
        Step::Forget => forget(control, claim, subject).await,
        _ => Ok(Next::Settled { again: REST }),
    }
}

/// Workspaces are the platform's: whoever started it has to be an admin still.
async fn check_actor(control: &Control, subject: &Subject) -> Result<(), Halt> {
    let Some(running) = &subject.operation else { return Ok(()) };
    if running.actor_kind == ActorKind::System {
        return Ok(());
    }
    let mut conn = control.pool.acquire().await?;
    let actor = access::current(&mut conn, running.actor_kind, running.actor_id).await?;
    if actor.is_some_and(|actor| actor.check_platform(PlatformAction::Manage, "workspace").is_ok()) {
        return Ok(());
    }
    Err(Halt::Failed(failure(
        "right_lost",
        format!("{} is no platform admin any more, so this was stopped where it was.", running.actor_name),
        "A platform admin can start it again.",
    )))
}

async fn make(control: &Control, claim: &Claim, subject: &Subject, client: &Client, when: When) -> Result<Next, Halt> {
    let id = subject.blueprint.workspace.0;
    if when == When::Always {
        let mut tx = begin(control, claim).await?;
        inventory::intend(&mut tx, id, &write::entries(&subject.blueprint)).await?;
        note(&mut tx, subject, LOOK, StepState::Done, None).await?;
        note(&mut tx, subject, BOUNDS, StepState::Running, None).await?;
        tx.commit().await?;
    }
    points::reached("workspace.intended").await;
    let mut put = write::bounds(client, &subject.blueprint, when).await?;
    points::reached("workspace.half_applied").await;
    if when == When::Always {
        let mut tx = begin(control, claim).await?;
        note(&mut tx, subject, BOUNDS, StepState::Done, None).await?;
        note(&mut tx, subject, RIGHTS, StepState::Running, None).await?;
        tx.commit().await?;
    }
    put.extend(write::rights(client, &subject.blueprint, when).await?);
    points::reached("workspace.applied").await;
    settle(control, claim, subject, &put, when).await
}

/// Everything is there.
async fn settle(control: &Control, claim: &Claim, subject: &Subject, put: &[Put], when: When) -> Result<Next, Halt> {
    let id = subject.blueprint.workspace;
    let mut tx = begin(control, claim).await?;
    let made: Vec<&Put> = put.iter().filter(|put| put.made).collect();
    let entries: Vec<(Entry, String)> = put.iter().filter(|put| when == When::Always || put.made).map(|put| (put.entry.clone(), put.uid.clone())).collect();
    inventory::applied(&mut tx, id.0, subject.blueprint.generation, &entries).await?;
    inventory::seen(&mut tx, id.0).await?;
    sqlx::query!("update workspaces set state = 'ready', state_message = null, state_raw = null, synced_at = now() where id = $1", id.0).execute(&mut *tx).await?;
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
    live::changed(&mut tx, id.0).await?;
    // What waited for the workspace goes on at once.
    let waiting = sqlx::query_scalar!("select id from deployments where workspace_id = $1 and state = 'pending'", id.0).fetch_all(&mut *tx).await?;
    for deployment in waiting {
        poke(&mut tx, deployment).await?;
    }
    tx.commit().await?;
    Ok(Next::Settled { again: REST })
}

async fn remove(control: &Control, claim: &Claim, subject: &Subject, client: &Client) -> Result<Next, Halt> {
    let strangers = write::strangers(client, &subject.blueprint).await?;
    if !strangers.is_empty() {
        return Err(Halt::Failed(Failure {
            code: "namespace_in_use".into(),
            cause: format!("There are things in the namespace {} that Slipway did not make. Deleting it would delete them too.", subject.blueprint.namespace),
            next: "Move or delete them, then delete the workspace again.".into(),
            raw: Some(strangers.join("\n")),
        }));
    }
    gone_soon(control, claim, subject, "Kubernetes is deleting the namespace").await?;
    write::remove_namespace(client, &subject.blueprint).await?;
    points::reached("workspace.removed").await;
    Ok(Next::Again(PACE))
}

async fn release(control: &Control, claim: &Claim, subject: &Subject, client: &Client) -> Result<Next, Halt> {
    let left = write::release(client, &subject.blueprint).await?;
    points::reached("workspace.released").await;
    if left > 0 {
        gone_soon(control, claim, subject, &format!("{left} objects are still there")).await?;
        return Ok(Next::Again(PACE));
    }
    if subject.last_of_team {
        write::remove_accounts(client, &subject.blueprint).await?;
    }
    forget(control, claim, subject).await
}

async fn gone_soon(control: &Control, claim: &Claim, subject: &Subject, detail: &str) -> Result<(), Halt> {
    let mut tx = begin(control, claim).await?;
    note(&mut tx, subject, REMOVE, StepState::Done, None).await?;
    note(&mut tx, subject, GONE, StepState::Running, Some(detail)).await?;
    Ok(tx.commit().await?)
}

/// Nothing of it is left.
async fn forget(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    let id = subject.blueprint.workspace.0;
    let mut tx = begin(control, claim).await?;
    if let Some(running) = &subject.operation
        && operations::finish(&mut tx, running.id, Ok(())).await?
    {
        record(&mut tx, subject, event(action(&running.verb), subject)).await?;
    }
    inventory::forget(&mut tx, id).await?;
    sqlx::query!("delete from workspaces where id = $1", id).execute(&mut *tx).await?;
    live::changed(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Next::Gone)
}

async fn wait(control: &Control, claim: &Claim, subject: &Subject, why: &str) -> Result<Next, Halt> {
    let mut tx = begin(control, claim).await?;
    note(&mut tx, subject, LOOK, StepState::Running, Some(why)).await?;
    sqlx::query!("update workspaces set state_message = $2 where id = $1 and state_message is distinct from $2", subject.blueprint.workspace.0, why).execute(&mut *tx).await?;
    live::changed(&mut tx, subject.blueprint.workspace.0).await?;
    tx.commit().await?;
    Ok(Next::Again(PACE * 3))
}

/// Settles a step that came to nothing.
async fn halted(control: &Control, claim: &Claim, subject: &Subject, halt: Halt) -> Result<Next> {
    let failure = match halt {
        Halt::Ours(error) => return Err(error),
        Halt::Lost => return Ok(Next::Again(Duration::ZERO)),
        Halt::Later(after) => return Ok(Next::Again(after)),
        Halt::Failed(failure) => failure,
        Halt::Outside(error) => {
            if error.doubts_the_cluster() {
                poke(&mut *control.pool.acquire().await?, subject.cluster.0).await?;
            }
            let (sentence, raw) = (error.sentence(), error.raw());
            let scope_is_down = match error.kind {
                Kind::Fault(fault) => return Err(fault.into()),
                Kind::Conflict if error.conflicts().is_empty() => return Ok(Next::Again(Duration::from_millis(200))),
                Kind::Unreachable | Kind::Unauthorized | Kind::Aws(_) | Kind::Other => Some(true),
                Kind::Forbidden | Kind::NotFound if claim.attempts < PATIENCE => Some(false),
                Kind::Forbidden | Kind::NotFound | Kind::Conflict | Kind::Invalid => None,
            };
            match scope_is_down {
                Some(scope_is_down) => {
                    lost_is_fine(wait(control, claim, subject, &format!("{sentence} Slipway keeps trying.")).await)?;
                    return Ok(Next::Failed { error: raw, scope_is_down });
                }
                None => Failure {
                    code: "cluster_denied".into(),
                    cause: sentence,
                    next: "Look at the cluster's page, which shows what Slipway may do there, then try again.".into(),
                    raw: Some(raw),
                },
            }
        }
    };
    lost_is_fine(failed(control, claim, subject, &failure).await)
}

/// A claim that was lost meanwhile is the other worker's to settle.
fn lost_is_fine(outcome: Result<Next, Halt>) -> Result<Next> {
    match outcome {
        Ok(next) => Ok(next),
        Err(Halt::Ours(error)) => Err(error),
        Err(_) => Ok(Next::Again(Duration::ZERO)),
    }
}

async fn failed(control: &Control, claim: &Claim, subject: &Subject, failure: &Failure) -> Result<Next, Halt> {
    let Some(running) = &subject.operation else {
        tracing::warn!(workspace = %subject.blueprint.workspace, code = failure.code, cause = failure.cause, "a look at a workspace came to nothing");
        return Ok(Next::Settled { again: REST });
    };
    let mut tx = begin(control, claim).await?;
    let state = if subject.desired.intent == Intent::Delete { WorkspaceState::Deleting } else { WorkspaceState::Failed };
    sqlx::query!(
        "update workspaces set state = $2, state_message = $3, state_raw = $4 where id = $1",
        subject.blueprint.workspace.0,
        state as WorkspaceState,
        failure.cause,
        failure.raw
    )
    .execute(&mut *tx)
    .await?;
    if operations::finish(&mut tx, running.id, Err(failure)).await? {
        record(&mut tx, subject, event(action(&running.verb), subject).failed().because(Some(&failure.cause))).await?;
    }
    live::changed(&mut tx, subject.blueprint.workspace.0).await?;
    tx.commit().await?;
    Ok(Next::Settled { again: REST })
}

async fn begin(control: &Control, claim: &Claim) -> Result<Transaction<'static, Postgres>, Halt> {
    let mut tx = control.pool.begin().await?;
    if holds(&mut tx, claim).await? { Ok(tx) } else { Err(Halt::Lost) }
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
        _ => "workspace.update",
    }
}

fn event(action: &'static str, subject: &Subject) -> Event {
    Event::new(action, ObjectKind::Workspace, subject.blueprint.workspace.0, &subject.blueprint.namespace).of_team(subject.blueprint.team, &subject.team_name)
}

fn cluster_gone(subject: &Subject) -> Failure {
    failure("cluster_gone", format!("EKS has no cluster {} any more.", subject.cluster_name), "Delete the workspace, and make one on another cluster.")
}

fn older(there: i64) -> Failure {
    Failure {
        code: "database_older".into(),
        cause: "The cluster holds a newer state of this than Slipway's database, which was probably restored from a backup. Nothing was touched.".into(),
        next: "Decide which of the two is right before anything else.".into(),
        raw: Some(format!("generation {there} in the cluster")),
    }
}

fn failure(code: &str, cause: String, next: &str) -> Failure {
    Failure { code: code.into(), cause, next: next.into(), raw: None }
}
