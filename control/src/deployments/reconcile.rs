//! Takes one step for a deployment: loads both sides, lets [`next`] decide, does it, writes down what came of it.

use std::time::Duration;

use domain::{
    Code, Rejected,
    access::TeamAction,
    deployment::DeploymentState,
    ids::DeploymentId,
    operation::{Failure, ObjectKind, Remedy},
    serving::ModelMetadata,
};

use super::{
    diagnosis::{self, QUOTA_EXCEEDED, Verdict},
    examine, metadata,
    next::{Dead, Intent, Metadata, Observed, Progress, Step, next},
    observe,
    record::{self, Drift},
    store,
    subject::{self, Subject},
    write,
};
use crate::{
    Control, Result, access, clusters,
    inventory::{self, cluster::When},
    k8s::{self, Kind},
    reconcile::{Claim, Halt, Next, PATIENCE, poke, unlost},
    work::points,
};

/// How long until a thing that is as it should be is looked at again, unless something is seen of it before.
const REST: Duration = Duration::from_secs(300);
/// How long until a rollout is looked at again, unless something is seen of it before.
const PACE: Duration = Duration::from_secs(2);
/// How long until a thing on a read-only cluster is looked at again.
const READ_ONLY: Duration = Duration::from_secs(30);
/// How long a model may take to say what it takes, in seconds.
const ASK_FOR: f64 = 8.0;
/// How long one such try may take: a model that hangs is no reason to hold a place of its cluster's.
const ASK_ONCE: Duration = Duration::from_secs(3);

/// Takes one step.
///
/// # Errors
/// Faults only; what the cluster says is in what is returned.
pub async fn run(control: &Control, claim: &Claim) -> Result<Next> {
    let Some(subject) = subject::load(control, DeploymentId(claim.object_id)).await? else { return Ok(Next::Gone) };
    match step(control, claim, &subject).await {
        Ok(next) => Ok(next),
        Err(halt) => halted(control, claim, &subject, halt).await,
    }
}

async fn step(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    check_actor(control, subject).await?;
    let Some(sight) = observe(control, subject).await? else { return Ok(Next::Left { again: REST }) };
    match next(&subject.desired, &sight.observed) {
        Step::Leave => Ok(Next::Left { again: REST }),
        Step::Rest { state, ready } => rest(control, claim, subject, &sight, (state, ready)).await,
        Step::Wait(why) => {
            record::waiting(control, claim, subject, &why).await?;
            Ok(Next::Waits(Duration::from_secs(5)))
        }
        Step::GiveUp(dead) => Err(Halt::Failed(gave_up(subject, dead))),
        Step::Older { there } => Err(Halt::Ahead(there)),
        Step::Pause { ready } => {
            write::pause(control, subject).await?;
            record::resting(control, claim, subject, DeploymentState::Held, ready, &Drift::default()).await?;
            Ok(Next::Again(PACE))
        }
        Step::Apply => apply(control, claim, subject).await,
        Step::Heal => heal(control, claim, subject).await,
        Step::Look(progress) => look(control, claim, subject, &sight, progress).await,
        Step::Ask(progress) => ask(control, claim, subject, progress).await,
        Step::Finish(progress) => {
            record::finished(control, claim, subject, progress).await?;
            Ok(sight.heard(Next::Settled { again: REST }))
        }
        Step::Delete => delete(control, claim, subject).await,
        Step::Forget => {
            record::gone(control, claim, subject).await?;
            Ok(Next::Gone)
        }
    }
}

/// Whoever started the operation may have lost the right meanwhile: then it stops here.
async fn check_actor(control: &Control, subject: &Subject) -> Result<(), Halt> {
    let Some(running) = &subject.operation else { return Ok(()) };
    let (action, what) = if subject.desired.intent == Intent::Delete { (TeamAction::Delete, "delete") } else { (TeamAction::Deploy, "deploy") };
    let mut conn = control.pool.acquire().await?;
    if access::still_may(&mut conn, running.actor_kind, running.actor_id, subject.team, action).await? {
        return Ok(());
    }
    Err(Halt::Failed(Failure {
        code: "right_lost".into(),
        cause: format!("{} may not {what} in {} any more, so this was stopped where it was.", running.actor_name, subject.team_name),
        next: "Somebody with the right can start it again.".into(),
        raw: None,
        remedy: None,
    }))
}

/// What is seen, and who told.
struct Sight {
    observed: Observed,
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    ByTheCluster,
    ByRows,
}

impl Sight {
    /// What a step came to that asked nobody else.
    fn heard(&self, next: Next) -> Next {
        match self.told {
            Told::ByTheCluster => next,
            Told::ByRows => next.unheard(),
        }
    }
}

/// The rows where they suffice. While something is under way and they do not, the cluster itself.
/// Nothing when they do not and only they would be asked: how it stands is left as it was found last.
async fn observe(control: &Control, subject: &Subject) -> Result<Option<Sight>, Halt> {
    use super::next::{Carried, Place};
    if let Some(observed) = observe::rows(control, subject).await? {
        return Ok(Some(Sight { observed, told: Told::ByRows }));
    }
    let ready = subject.desired.place == Place::Ready;
    let runs = subject.desired.intent == Intent::Run
        && (subject.desired.operation == Carried::ByAnOperation || subject.desired.applied == subject.desired.generation)
        && subject.desired.applied > 0;
    // A hold does not wait for the watch: meanwhile the rollout would go on.
    let held = subject.desired.intent == Intent::Hold && subject.begun;
    if ready && (runs || held) {
        return Ok(Some(Sight { observed: observe::cluster(control, subject).await?, told: Told::ByTheCluster }));
    }
    let counts = match subject.desired.intent {
        Intent::Run => subject.desired.place == Place::Ready && subject.desired.operation == Carried::No,
        Intent::Hold => true,
        Intent::Delete => false,
    };
    Ok((!counts).then(|| Sight { observed: Observed::default(), told: Told::ByRows }))
}

async fn rest(control: &Control, claim: &Claim, subject: &Subject, sight: &Sight, (state, ready): (DeploymentState, i32)) -> Result<Next, Halt> {
    // What cannot be healed is not whole: it is looked at first, and says so until it can.
    let heals = subject.desired.intent == Intent::Run && subject.desired.applied == subject.desired.generation && subject.verify;
    if heals {
        heal(control, claim, subject).await?;
    }
    let drift = Drift { asked: sight.observed.deployment.as_ref().and_then(|seen| seen.asked), others: sight.observed.set_by_others().cloned().collect() };
    record::resting(control, claim, subject, state, ready, &drift).await?;
    // What failed and came up by itself was not asked yet.
    if state == DeploymentState::Live && subject.desired.metadata == Metadata::Wanted {
        match ask_once(control, subject).await {
            Ok(metadata) => record::told(control, claim, subject, Some(&metadata), None).await?,
            Err(crate::Error::Fault(error)) => return Err(Halt::Ours(error.into())),
            Err(crate::Error::Rejected(why)) => record::told(control, claim, subject, None, Some(&why.message)).await?,
            Err(_) => {}
        }
    }
    let next = Next::Settled { again: REST };
    Ok(if heals { next } else { sight.heard(next) })
}

async fn apply(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    record::applying(control, claim, subject, &write::entries(subject)).await?;
    points::reached("deployment.intended").await;
    let mut put = Vec::new();
    if let Err(halt) = write::apply(control, subject, subject.when(), &mut put).await {
        record::partly(control, claim, subject, &put).await?;
        return Err(halt);
    }
    points::reached("deployment.applied").await;
    record::applied(control, claim, subject, &put).await?;
    points::reached("deployment.recorded").await;
    Ok(Next::Again(Duration::from_millis(500)))
}

/// Writes again what is missing. Each object is asked for first, so that a watch that lags heals nothing.
async fn heal(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    let healed = Subject { operation: None, ..subject::load(control, subject.id).await?.ok_or(Halt::Lost)? };
    if healed.desired != subject.desired {
        return Err(Halt::Lost);
    }
    let mut put = Vec::new();
    if let Err(halt) = write::apply(control, &healed, When::Missing, &mut put).await {
        record::healed_partly(control, claim, subject, &put).await?;
        return Err(halt);
    }
    record::healed(control, claim, subject, &put).await?;
    Ok(Next::Again(PACE))
}

async fn look(control: &Control, claim: &Claim, subject: &Subject, sight: &Sight, progress: Progress) -> Result<Next, Halt> {
    let mut words = None;
    let examines = progress.ready < progress.wanted && subject.applied_for.is_some_and(|seconds| seconds > 2.0);
    if examines {
        match diagnosis::diagnose(&examine::evidence(control, subject).await?) {
            Verdict::Fatal(failure) => return Err(Halt::Failed(with_quota(control, subject, failure).await?)),
            Verdict::Passing(passing) => words = Some(passing),
            Verdict::Nothing => {}
        }
    }
    record::rolling(control, claim, subject, progress, words.as_deref()).await?;
    let next = Next::Again(if subject.applied_for.is_some_and(|seconds| seconds < 20.0) { PACE / 4 } else { PACE });
    Ok(if examines { next } else { sight.heard(next) })
}

/// A larger size helps only where the workspace's quota has room for it: where it has not, that comes first. A quota that others set is not a matter of sizes.
async fn with_quota(control: &Control, subject: &Subject, failure: Failure) -> Result<Failure> {
    if failure.code == QUOTA_EXCEEDED {
        let workspace = store::workspace(&mut *control.pool.acquire().await?, subject.workspace).await?;
        let next =
            format!("Others changed {} in the cluster: ask a platform admin to look at its page, where Repair sets it back. Then deploy again.", subject.blueprint.namespace);
        return Ok(if workspace.is_some_and(|workspace| workspace.changed_by_others) { Failure { next, ..failure } } else { failure });
    }
    let Some(size) = failure.remedy.as_ref().and_then(|remedy| remedy.size) else { return Ok(failure) };
    let lacks = store::lacks(&mut *control.pool.acquire().await?, subject.id, size).await?;
    if lacks.is_empty() {
        return Ok(failure);
    }
    let next = format!("{} The workspace's quota has no room for that yet: ask a platform admin for more. {}", failure.next, lacks.join(" "));
    Ok(Failure { next, ..failure })
}

async fn ask(control: &Control, claim: &Claim, subject: &Subject, progress: Progress) -> Result<Next, Halt> {
    let asked_for = record::asking(control, claim, subject, progress).await?;
    match ask_once(control, subject).await {
        Ok(metadata) => record::told(control, claim, subject, Some(&metadata), None).await?,
        Err(crate::Error::Fault(error)) => return Err(Halt::Ours(error.into())),
        Err(error) if asked_for > ASK_FOR => {
            let said = error.rejected().map_or_else(|| error.to_string(), |rejected| rejected.message.clone());
            record::told(control, claim, subject, None, Some(&said)).await?;
        }
        Err(_) => return Ok(Next::Waits(PACE / 2)),
    }
    Ok(Next::Again(Duration::ZERO))
}

async fn ask_once(control: &Control, subject: &Subject) -> Result<ModelMetadata> {
    let late = || Rejected::new(Code::ModelUnavailable, format!("The model did not say what it takes within {} seconds.", ASK_ONCE.as_secs()));
    tokio::time::timeout(ASK_ONCE, metadata::ask(control, subject)).await.unwrap_or_else(|_| Err(late().into()))
}

async fn delete(control: &Control, claim: &Claim, subject: &Subject) -> Result<Next, Halt> {
    record::deleting(control, claim, subject, None).await?;
    let inventory = inventory::of(&mut *control.pool.acquire().await?, subject.id.0).await?;
    let left = write::remove(control, subject, &inventory).await?;
    points::reached("deployment.deleted").await;
    if left.objects == 0 && left.pods == 0 {
        record::gone(control, claim, subject).await?;
        return Ok(Next::Gone);
    }
    record::deleting(control, claim, subject, Some(left)).await?;
    Ok(Next::Again(PACE / 4))
}

/// Settles a step that came to nothing.
async fn halted(control: &Control, claim: &Claim, subject: &Subject, halt: Halt) -> Result<Next> {
    let failure = match halt {
        Halt::Ours(error) => return Err(error),
        Halt::Lost => return Ok(Next::Waits(Duration::ZERO)),
        Halt::Later(after) => return Ok(Next::Again(after)),
        Halt::Failed(failure) => failure,
        Halt::Ahead(there) => {
            clusters::found_newer(control, subject.cluster, (ObjectKind::Deployment, subject.id.0), there).await?;
            unlost(record::stuck(control, claim, subject, &clusters::why_read_only(&subject.cluster_name)).await)?;
            return Ok(Next::Waits(READ_ONLY));
        }
        Halt::Outside(error) => {
            if error.doubts_the_cluster() {
                poke(&mut *control.pool.acquire().await?, subject.cluster.0).await?;
            }
            // Its namespace or the team's rights may be gone: looking at the workspace makes them again.
            if matches!(error.kind, Kind::Forbidden | Kind::NotFound) {
                poke(&mut *control.pool.acquire().await?, subject.workspace.0).await?;
            }
            match outside(subject, claim, error)? {
                Ok(failure) => failure,
                Err((next, sentence)) => {
                    if let Some(sentence) = sentence {
                        unlost(record::stuck(control, claim, subject, &sentence).await)?;
                    }
                    return Ok(next);
                }
            }
        }
    };
    unlost(record::failed(control, claim, subject, &failure).await)?;
    Ok(Next::Left { again: Duration::from_secs(60) })
}

type Outside = Result<Failure, (Next, Option<String>)>;

/// What a cluster's refusal means: the operation's end, or another try.
fn outside(subject: &Subject, claim: &Claim, error: k8s::Error) -> Result<Outside> {
    let (sentence, raw) = (error.sentence(), error.raw());
    let again = |scope_is_down: bool| Err((Next::Failed { error: raw.clone(), scope_is_down }, Some(format!("{sentence} Slipway keeps trying."))));
    let failure = |code: &str, cause: String, next: &str| Ok(Failure { code: code.into(), cause, next: next.into(), raw: Some(raw.clone()), remedy: None });
    let patient = claim.attempts < PATIENCE;
    Ok(match error.kind {
        Kind::Fault(fault) => return Err(fault.into()),
        // No operation says that it goes on: how the deployment stands does.
        Kind::Other if !patient && subject.operation.is_none() => {
            failure("cluster_error", format!("{sentence} What is missing there is not written again yet."), "Ask a platform admin to look at the cluster.")
        }
        Kind::Unreachable | Kind::Unauthorized | Kind::Aws(_) | Kind::Other => again(true),
        Kind::Conflict if error.conflicts().is_empty() => Err((Next::Again(Duration::from_millis(200)), None)),
        Kind::Conflict => Ok(Failure {
            code: "changed_by_others".into(),
            remedy: Some(Remedy::take_over(error.conflicts().to_vec())),
            cause: sentence,
            next: "Take these fields over, which sets them to what this revision wants, or have whoever changed them in the cluster undo it, and deploy again.".into(),
            raw: Some(raw),
        }),
        Kind::Forbidden | Kind::NotFound if patient => again(false),
        Kind::Forbidden => failure(
            "cluster_denied",
            format!("The cluster does not let the team's deployer do this in {}.", subject.blueprint.namespace),
            "Ask a platform admin to look at the workspace and at the cluster's access page.",
        ),
        Kind::NotFound => failure("not_created", format!("The namespace {} is not there any more.", subject.blueprint.namespace), "Ask a platform admin to look at the workspace."),
        Kind::Invalid => failure("not_created", "The cluster does not accept these objects.".into(), "Ask a platform admin to look at what the cluster said."),
    })
}

fn gave_up(subject: &Subject, dead: Dead) -> Failure {
    let (code, cause) = match dead {
        Dead::WorkspaceFailed => ("workspace_failed", format!("The workspace {} could not be made.", subject.blueprint.namespace)),
        Dead::ClusterGone => ("cluster_gone", format!("EKS has no cluster {} any more.", subject.cluster_name)),
    };
    Failure { code: code.into(), cause, next: "Ask a platform admin to look at it, or deploy somewhere else.".into(), raw: None, remedy: None }
}

#[cfg(test)]
mod tests {
    use domain::{access::TeamRole, deployment::NewDeployment, operation::ChangedField, size::Size};
    use kube::core::{
        Status,
        response::{StatusCause, StatusDetails},
    };
    use sqlx::PgPool;

    use super::*;
    use crate::{deployments, reconcile, reconcile::Times, testing::World, workspaces::fixture::Place};

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn every_failure_has_a_way_out(pool: PgPool) {
        let world = World::new(pool).await;
        let place = Place::new(&world).await;
        let ada = place.member(&world, "ada", TeamRole::Deployer).await;
        let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: Some(2), environment: Vec::new(), reason: None };
        let id = DeploymentId(deployments::create(&ada, &new).await.unwrap().object);
        let claim = reconcile::claim(&world.control.pool, "worker", 1, Times::default()).await.unwrap().remove(0);
        let subject = subject::load(&world.control, id).await.unwrap().unwrap();

        let cause = StatusCause { reason: "FieldManagerConflict".into(), message: r#"conflict with "kubectl" using apps/v1"#.into(), field: ".spec.replicas".into() };
        let details = StatusDetails { causes: vec![cause], name: "iris".into(), group: "apps".into(), kind: "deployments".into(), uid: String::new(), retry_after_seconds: 0 };
        let conflict = Status::failure("Apply failed with 1 conflict", "Conflict").with_code(409).with_details(details);
        let shown = ChangedField::set_by(r#""kubectl" using apps/v1"#, ".spec.replicas", "Deployment", "iris");
        let failure = outside(&subject, &claim, k8s::Error::from(kube::Error::Api(conflict.boxed())).about("Deployment", "iris")).unwrap().unwrap();
        assert_eq!((failure.code.as_str(), failure.remedy), ("changed_by_others", Some(Remedy::take_over(vec![shown]))));
        assert!(failure.next.starts_with("Take these fields over"), "{}", failure.next);

        let memory = |size| Failure { code: "out_of_memory".into(), cause: String::new(), next: "Retry with it.".into(), raw: None, remedy: Some(Remedy::size(size)) };
        let next = async |size| with_quota(&world.control, &subject, memory(size)).await.unwrap().next;
        assert_eq!(next(Size::Medium).await, "Retry with it.");
        let over = next(Size::Large).await;
        assert!(over.contains("no room for that yet") && over.contains("It needs 8 CPU; 4 of 4 CPU are free"), "{over}");
    }
}
