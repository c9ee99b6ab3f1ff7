//! The next step of a deployment, as a function of what is wanted and what is seen. It does nothing by itself.

use domain::{deployment::DeploymentState, operation::ChangedField};

use crate::inventory::cluster::is_ahead;

#[cfg(test)]
mod tests;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub intent: Intent,
    pub generation: i64,
    pub revision: i32,
    /// The revision whose pods are wanted.
    pub template_revision: i32,
    pub replicas: i32,
    /// The generation that was applied last; 0 until then.
    pub applied: i64,
    /// Whether an operation carries this generation.
    pub operation: Carried,
    /// Whether the wanted revision came up whole before.
    pub came_up: bool,
    /// Whether the model still has to be asked what it takes.
    pub metadata: Metadata,
    pub place: Place,
}

/// What is meant to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Run,
    /// Left as it is: what is being rolled out is paused.
    Hold,
    Delete,
}

/// Whether an operation carries the wanted generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    ByAnOperation,
    /// It is over: nothing new is applied, nothing is deleted, what is missing is healed.
    No,
}

/// Whether the model's metadata is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    Wanted,
    /// Known, or not to be had.
    Settled,
}

/// Where it runs, as far as that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Ready,
    /// Not yet, or not just now: why.
    NotYet(String),
    /// Not any more.
    Never(Dead),
}

/// Why a place is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    WorkspaceFailed,
    ClusterGone,
}

/// What is seen in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    pub deployment: Option<Seen>,
    pub pods: Vec<SeenPod>,
    /// What others set of its other objects, as far as that was seen.
    pub others: Vec<ChangedField>,
}

impl Observed {
    /// Everything that others set.
    pub fn set_by_others(&self) -> impl Iterator<Item = &ChangedField> {
        self.deployment.iter().flat_map(|seen| &seen.others).chain(&self.others)
    }
}

/// The Kubernetes Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Our generation, from its annotation.
    pub generation: i64,
    /// Whether this installation made it.
    pub ours: bool,
    /// Whether its controller has seen its newest spec.
    pub observed_by_controller: bool,
    /// How many replicas its spec asks for, where that is known: others may have scaled it.
    pub asked: Option<i32>,
    pub replicas: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    /// Why the rollout does not progress, as Kubernetes says.
    pub stalled: Option<String>,
    /// Whether Kubernetes was told to go no further.
    pub paused: bool,
    /// What others set of it, besides the number of replicas.
    pub others: Vec<ChangedField>,
}

/// A pod of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPod {
    pub revision: i32,
    pub ready: bool,
    pub terminating: bool,
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub wanted: i32,
    /// Replicas of the wanted revision that answer.
    pub ready: i32,
    /// Replicas of earlier revisions that are still there.
    pub earlier: i32,
    /// Replicas of any revision that answer.
    pub serving: i32,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: this is how it stands.
    Rest { state: DeploymentState, ready: i32 },
    /// Nothing, and how it stands is left as it was found last.
    Leave,
    /// Nothing can be done just now: why.
    Wait(String),
    /// The operation cannot succeed here.
    GiveUp(Dead),
    /// The cluster holds a generation that this database never gave out: touch nothing.
    Older { there: i64 },
    /// Have Kubernetes go no further with what it rolls out.
    Pause { ready: i32 },
    /// Write the objects of the wanted revision.
    Apply,
    /// The Deployment is missing: confirm, then write what is missing again.
    Heal,
    /// See how far it is, and why it is no further.
    Look(Progress),
    /// Everything is up: ask the model what it takes.
    Ask(Progress),
    /// Everything is up: the operation has succeeded.
    Finish(Progress),
    /// Delete what is there, until nothing is.
    Delete,
    /// There is no cluster to delete anything in: forget it.
    Forget,
}

/// Decides.
#[must_use]
pub fn next(desired: &Desired, observed: &Observed) -> Step {
    if let Some(seen) = observed.deployment.as_ref().filter(|seen| seen.ours && is_ahead(seen.generation, desired.generation)) {
        return Step::Older { there: seen.generation };
    }
    match desired.intent {
        // Nothing goes without somebody behind it who may still delete it.
        Intent::Delete if desired.operation == Carried::No => Step::Leave,
        Intent::Delete => match &desired.place {
            Place::Never(Dead::ClusterGone) => Step::Forget,
            Place::NotYet(why) => Step::Wait(why.clone()),
            // A workspace that was never whole does not keep what is in it from being deleted.
            Place::Ready | Place::Never(Dead::WorkspaceFailed) => Step::Delete,
        },
        Intent::Hold => hold(desired, observed),
        Intent::Run => run(desired, observed),
    }
}

/// What was told once goes on in the cluster until it is told otherwise.
fn hold(desired: &Desired, observed: &Observed) -> Step {
    let ready = progress(desired, observed).serving;
    let goes_on = observed.deployment.as_ref().is_some_and(|seen| seen.ours && !seen.paused);
    if goes_on && desired.place == Place::Ready { Step::Pause { ready } } else { Step::Rest { state: DeploymentState::Held, ready } }
}

fn run(desired: &Desired, observed: &Observed) -> Step {
    let carried = desired.operation == Carried::ByAnOperation;
    match &desired.place {
        Place::Never(dead) if carried => return Step::GiveUp(*dead),
        Place::NotYet(why) if carried => return Step::Wait(why.clone()),
        Place::Never(_) | Place::NotYet(_) => return Step::Leave,
        Place::Ready => {}
    }
    if desired.applied < desired.generation {
        // Only an operation, with whoever started it behind it, writes something new.
        return if carried { Step::Apply } else { settled(desired, observed) };
    }
    let Some(seen) = &observed.deployment else { return Step::Heal };
    let progress = progress(desired, observed);
    if !carried {
        return settled(desired, observed);
    }
    if !is_whole(desired, seen, progress) {
        return Step::Look(progress);
    }
    match desired.metadata {
        Metadata::Wanted => Step::Ask(progress),
        Metadata::Settled => Step::Finish(progress),
    }
}

/// How it stands while no operation carries it.
fn settled(desired: &Desired, observed: &Observed) -> Step {
    let progress = progress(desired, observed);
    let whole = observed.deployment.as_ref().is_some_and(|seen| desired.applied >= desired.generation && is_whole(desired, seen, progress));
    // Every replica may answer, and answer something else than was made; and what somebody scaled is not as it is wanted, whether more replicas come of it or not.
    let scaled = observed.deployment.as_ref().and_then(|seen| seen.asked).is_some_and(|asked| asked != desired.replicas);
    let whole = whole && !scaled && observed.set_by_others().next().is_none();
    let state = match (whole, desired.came_up) {
        (true, _) => DeploymentState::Live,
        (false, true) => DeploymentState::Degraded,
        (false, false) => DeploymentState::Failed,
    };
    Step::Rest { state, ready: progress.serving }
}

fn progress(desired: &Desired, observed: &Observed) -> Progress {
    let alive = || observed.pods.iter().filter(|pod| !pod.terminating);
    let count = |pods: usize| i32::try_from(pods).unwrap_or(i32::MAX);
    Progress {
        wanted: desired.replicas,
        ready: count(alive().filter(|pod| pod.ready && pod.revision == desired.template_revision).count()).min(desired.replicas),
        earlier: count(alive().filter(|pod| pod.revision != desired.template_revision).count()),
        serving: count(alive().filter(|pod| pod.ready).count()),
    }
}

/// Whether the wanted revision, and nothing else, runs with every replica.
fn is_whole(desired: &Desired, seen: &Seen, progress: Progress) -> bool {
    seen.generation == desired.generation
        && seen.observed_by_controller
        && seen.replicas == desired.replicas
        && seen.updated == desired.replicas
        && seen.ready >= desired.replicas
        && seen.available >= desired.replicas
        && progress.earlier == 0
}
