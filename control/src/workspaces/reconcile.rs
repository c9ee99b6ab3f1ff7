//! Takes one step for a workspace: loads both sides, lets [`next`] decide, does it, writes down what came of it.

use std::time::Duration;

use domain::{
    access::PlatformAction,
    audit::ActorKind,
    ids::WorkspaceId,
    operation::{Failure, ObjectKind, Remedy},
};
use kube::Client;

use super::{
    next::{Cluster, Intent, Namespace, Step, next},
    record, strangers,
    subject::{self, Subject},
    write,
};
use crate::{
    Control, Result, access, clusters,
    inventory::cluster::{Put, When},
    k8s::Kind,
    reconcile::{Claim, Halt, Next, PATIENCE, poke, unlost},
    work::points,
};

pub(super) const REST: Duration = Duration::from_secs(600);
pub(super) const PACE: Duration = Duration::from_secs(1);
const GOING: &str = "Kubernetes is deleting the namespace.";
/// How many of others' things a sentence names.
const NAMED: usize = 3;
/// How many of them the raw message lists.
const LISTED: usize = 50;
/// How long until a workspace on a read-only cluster is looked at again.
const READ_ONLY: Duration = Duration::from_secs(30);

/// Takes one step.
///
/// # Errors
/// Faults only; what the cluster says is in what is returned.
pub async fn run(control: &Control, claim: &Claim) -> Result<Next> {
    let Some(subject) = subject::load(control, WorkspaceId(claim.object_id)).await? else { return Ok(Next::Gone) };
    match step(control, claim, &subject).await {
        Ok(next) => Ok(next),
        Err(halt) => halted(control, claim, &subject, halt).await,
    }
}

async fn step(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    check_actor(control, subject).await?;
    let name = &subject.blueprint.namespace;
    if !matches!(subject.desired.cluster, Cluster::Connected | Cluster::ReadOnly(_)) {
        return apart(control, claim, subject).await.map(Next::unheard);
    }
    let client = control.k8s.own(control, subject.cluster).await?;
    let (seen, held_by) = write::see(&client, &subject.blueprint).await?;
    match next(&subject.desired, seen) {
        Step::Leave => Ok(Next::Settled { again: REST }),
        Step::Wait(why) if seen == Namespace::Going => {
            let why = said(&why, held_by);
            record::waiting(control, claim, subject, &why).await
        }
        Step::Wait(why) => record::waiting(control, claim, subject, &why).await,
        Step::Make => make(control, claim, subject, &client, subject.when()).await,
        Step::Verify => make(control, claim, subject, &client, When::Missing).await,
        Step::Adopt => {
            record::adopting(control, claim, subject).await?;
            points::reached("workspace.adopting").await;
            write::adopt(&client, &subject.blueprint).await?;
            Ok(Next::Again(Duration::ZERO))
        }
        Step::RefuseTheirs => Err(Halt::Failed(failure(
            "namespace_exists",
            format!("The cluster has a namespace {name} already, which Slipway did not make."),
            "If the team is to use it, a platform admin can take it over on the workspace's page. Otherwise delete the workspace, which leaves the namespace as it is, and make one of another name.",
        ))),
        Step::RefuseTaken => Err(Halt::Failed(failure(
            "namespace_taken",
            format!("The namespace {name} belongs to another workspace or another Slipway."),
            "Delete the workspace, which leaves the namespace as it is, and make one of another name.",
        ))),
        Step::Older { there } => Err(Halt::Ahead(there)),
        Step::GiveUp => Err(Halt::Failed(cluster_gone(subject))),
        Step::Remove => remove(control, claim, subject, &client).await,
        Step::Release => release(control, claim, subject, &client).await,
        Step::AwaitGone => {
            let detail = said(GOING, held_by);
            record::going(control, claim, subject, &detail).await?;
            Ok(Next::Again(PACE))
        }
        Step::Forget => {
            if subject.last_of_team {
                write::remove_accounts(&client, &subject.blueprint).await?;
            }
            record::gone(control, claim, subject).await
        }
    }
}

/// A sentence, with what Kubernetes says about it.
fn said(sentence: &str, raw: Option<String>) -> String {
    raw.map_or_else(|| sentence.to_owned(), |raw| format!("{sentence} Kubernetes says: {raw}."))
}

/// What can be done without the cluster.
async fn apart(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    match next(&subject.desired, Namespace::Unseen) {
        Step::Wait(why) => record::waiting(control, claim, subject, &why).await,
        Step::GiveUp => Err(Halt::Failed(cluster_gone(subject))),
        Step::Forget => record::gone(control, claim, subject).await,
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

async fn make(control: &Control, claim: &Claim, subject: &Subject, client: &Client, when: When<'_>) -> Result<Next, Halt> {
    if when != When::Missing {
        record::looked(control, claim, subject, &write::entries(&subject.blueprint)).await?;
    }
    points::reached("workspace.intended").await;
    let mut put = Vec::new();
    if let Err(halt) = write_all(control, claim, subject, client, when, &mut put).await {
        record::partly(control, claim, subject, &put, when).await?;
        return Err(halt);
    }
    record::whole(control, claim, subject, &put, when).await
}

async fn write_all(control: &Control, claim: &Claim, subject: &Subject, client: &Client, when: When<'_>, put: &mut Vec<Put>) -> Result<(), Halt> {
    write::bounds(client, &subject.blueprint, when, put).await?;
    points::reached("workspace.half_applied").await;
    if when != When::Missing {
        record::bounded(control, claim, subject).await?;
    }
    write::rights(client, &subject.blueprint, when, put).await?;
    points::reached("workspace.applied").await;
    Ok(())
}

async fn remove(control: &Control, claim: &Claim, subject: &Subject, client: &Client) -> Result<Next, Halt> {
    let strangers = strangers::strangers(client, &subject.blueprint).await?;
    if !strangers.is_empty() {
        return Err(Halt::Failed(in_use(&subject.blueprint.namespace, &strangers)));
    }
    record::going(control, claim, subject, GOING).await?;
    write::remove_namespace(client, &subject.blueprint).await?;
    points::reached("workspace.removed").await;
    Ok(Next::Again(PACE))
}

async fn release(control: &Control, claim: &Claim, subject: &Subject, client: &Client) -> Result<Next, Halt> {
    let left = write::release(client, &subject.blueprint).await?;
    points::reached("workspace.released").await;
    if left > 0 {
        record::going(control, claim, subject, &format!("{left} objects are still there")).await?;
        return Ok(Next::Again(PACE));
    }
    if subject.last_of_team {
        write::remove_accounts(client, &subject.blueprint).await?;
    }
    record::gone(control, claim, subject).await
}

/// Settles a step that came to nothing.
async fn halted(control: &Control, claim: &Claim, subject: &Subject, halt: Halt) -> Result<Next> {
    let failure = match halt {
        Halt::Ours(error) => return Err(error),
        Halt::Lost => return Ok(Next::Waits(Duration::ZERO)),
        Halt::Later(after) => return Ok(Next::Again(after)),
        Halt::Failed(failure) => failure,
        Halt::Ahead(there) => {
            clusters::found_newer(control, subject.cluster, (ObjectKind::Workspace, subject.blueprint.workspace.0), there).await?;
            unlost(record::waiting(control, claim, subject, &clusters::why_read_only(&subject.cluster_name)).await)?;
            return Ok(Next::Again(READ_ONLY));
        }
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
                    unlost(record::waiting(control, claim, subject, &format!("{sentence} Slipway keeps trying.")).await)?;
                    return Ok(Next::Failed { error: raw, scope_is_down });
                }
                None => {
                    let fields = error.conflicts().to_vec();
                    let remedy = (!fields.is_empty() && subject.desired.intent == Intent::Keep).then(|| Remedy::take_over(fields));
                    Failure { raw: Some(raw), remedy, ..refused(&error.kind, subject.desired.intent, sentence) }
                }
            }
        }
    };
    Ok(unlost(record::failed(control, claim, subject, &failure).await)?.unwrap_or(Next::Again(Duration::ZERO)).unheard())
}

/// What a refusal means that is not going to pass.
fn refused(kind: &Kind, intent: Intent, cause: String) -> Failure {
    match (kind, intent) {
        (Kind::Conflict, Intent::Keep) => {
            failure("changed_by_others", cause, "Ask whoever did it. A platform admin can set these fields back with Repair on the workspace's page.")
        }
        (Kind::Conflict, Intent::Delete) => {
            failure("changed_by_others", cause, "Undo what was changed in the cluster by hand, or ask whoever did it, then delete the workspace again.")
        }
        (Kind::Invalid, Intent::Keep) => failure(
            "not_accepted",
            cause,
            "Look at what Kubernetes said. What was changed by hand may have to be deleted in the cluster; then press Repair on the workspace's page.",
        ),
        _ => failure("cluster_denied", cause, "Look at the cluster's page, which shows what Slipway may do there, then try again."),
    }
}

/// Others have things in the namespace: the first of them are named, more of them are in what was said.
fn in_use(namespace: &str, strangers: &[String]) -> Failure {
    let (first, more) = strangers.split_at(strangers.len().min(NAMED));
    let named = match (first, more.len()) {
        ([others @ .., last], 0) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        (first, 0) => first.join(", "),
        (first, more) => format!("{} and {more} more", first.join(", ")),
    };
    Failure {
        raw: Some(strangers[..strangers.len().min(LISTED)].join("\n")),
        ..failure(
            "namespace_in_use",
            format!("There are things in the namespace {namespace} that Slipway did not make: {named}. Deleting it would delete them too, so the workspace stays."),
            "Move or delete them, then delete the workspace again.",
        )
    }
}

fn cluster_gone(subject: &Subject) -> Failure {
    failure("cluster_gone", format!("EKS has no cluster {} any more.", subject.cluster_name), "Delete the workspace, and make one on another cluster.")
}

fn failure(code: &str, cause: String, next: &str) -> Failure {
    Failure { code: code.into(), cause, next: next.into(), raw: None, remedy: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_in_the_namespace_is_named_in_the_sentence() {
        let said = |strangers: &[&str]| in_use("forecasting", &strangers.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        let names = |strangers: &[&str]| said(strangers).brief().strip_prefix("There are things in the namespace forecasting that Slipway did not make: ").unwrap().to_owned();
        assert_eq!(names(&["Job nightly"]), "Job nightly.");
        assert_eq!(names(&["Job nightly", "Service theirs"]), "Job nightly and Service theirs.");
        assert_eq!(names(&["Job a", "Job b", "Job c"]), "Job a, Job b and Job c.");
        let many = ["Job a", "Job b", "Job c", "Job d", "Job e"];
        assert_eq!(names(&many), "Job a, Job b, Job c and 2 more.");
        assert_eq!(said(&many).raw.as_deref(), Some("Job a\nJob b\nJob c\nJob d\nJob e"));
    }

    #[test]
    fn what_others_manage_is_told_apart_from_what_the_cluster_forbids() {
        let cause = || "Others manage some of these fields: .spec.hard belongs to kubectl.".to_owned();
        let conflict = refused(&Kind::Conflict, Intent::Keep, cause());
        assert_eq!((conflict.code.as_str(), conflict.cause), ("changed_by_others", cause()));
        assert!(conflict.next.contains("Repair"), "{}", conflict.next);
        assert!(refused(&Kind::Conflict, Intent::Delete, cause()).next.contains("delete the workspace again"));
        assert_eq!(refused(&Kind::Invalid, Intent::Keep, "Kubernetes does not accept the object.".into()).code, "not_accepted");
        assert_eq!(refused(&Kind::Forbidden, Intent::Keep, "The cluster does not allow this.".into()).code, "cluster_denied");
    }
}
