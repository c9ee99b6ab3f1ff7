//! The next step for a cluster: a function from what is wanted and what was seen to what should be done.

use std::time::Duration;

use domain::{cluster::ClusterState, error::Code, operation::Failure};

use super::{
    probe::{Probe, Reached},
    rights::GROUP,
};
use crate::aws::eks::{Described, Entry};

/// A quiet cluster is looked at so often.
const CALM: Duration = Duration::from_secs(120);
/// A cluster for which somebody is busy right now.
const BUSY: Duration = Duration::from_secs(10);
/// A setup that got nowhere for so long has failed.
pub(super) const SETUP_LIMIT: Duration = Duration::from_secs(300);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    /// The setup that runs, if one does.
    pub setup: Option<Setup>,
    /// The cluster is ahead of the database: nothing is changed there until an admin has decided.
    pub read_only: bool,
}

/// A setup of Slipway's access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    /// Whether whoever started it still may.
    pub allowed: bool,
    /// Whether the manifest was applied in the course of it.
    pub applied: bool,
    /// Why the cluster will never take the manifest as it is.
    pub refused: Option<String>,
    /// How long it has been running.
    pub age: Duration,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub eks: Eks,
    pub probe: Probe,
    /// Whether Slipway associated the cluster-admin policy with itself and has not seen it gone since.
    pub borrowed: bool,
    /// Slipway's own access entry; looked at only while it matters.
    pub entry: EntrySeen,
}

/// What EKS says of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Eks {
    Described(Described),
    /// There is no such cluster (any more), or it is another one of the same name.
    Absent,
    /// AWS refused or did not answer.
    Silent {
        code: Code,
        message: String,
        raw: Option<String>,
    },
}

/// What EKS says of Slipway's own access entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntrySeen {
    /// Nobody asked.
    NotAsked,
    Missing,
    There(Entry),
}

/// What should be done. Steps that change something outside come back for another look soon after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateEntry,
    /// The entry keeps the groups it has.
    AddGroup(Vec<String>),
    /// Associate the cluster-admin policy, having noted first that it has to be given back.
    Borrow,
    ApplyManifest,
    GiveBack,
    /// Wait for a change to have its effect.
    Wait {
        detail: &'static str,
    },
    /// The cluster is read-only: this step waits until an admin has decided.
    Stand(Box<Step>),
    /// The setup is over.
    Finish(Result<(), Failure>),
    /// Nothing to do: look again then.
    Rest(Duration),
}

/// The next step. On a read-only cluster one thing only is still done: a borrowed policy is given back, since an admin may take days to decide.
pub(super) fn next(desired: &Desired, observed: &Observed) -> Step {
    match wanted(desired, observed) {
        Step::CreateEntry | Step::AddGroup(_) | Step::Borrow | Step::ApplyManifest if desired.read_only && observed.borrowed => Step::GiveBack,
        step @ (Step::CreateEntry | Step::AddGroup(_) | Step::Borrow | Step::ApplyManifest) if desired.read_only => Step::Stand(Box::new(step)),
        step => step,
    }
}

/// The next step where everything may be changed.
fn wanted(desired: &Desired, observed: &Observed) -> Step {
    let Some(setup) = &desired.setup else {
        // What was borrowed is given back before anything else, however the setup ended.
        return match (observed.borrowed, &observed.eks) {
            (true, Eks::Described(_)) => Step::GiveBack,
            _ => Step::Rest(rest(observed)),
        };
    };
    let described = match &observed.eks {
        Eks::Described(described) => described,
        Eks::Absent => return fail("cluster_gone", "EKS has no such cluster any more.", "Detach it here.", None),
        Eks::Silent { code, message, raw } if *code == Code::AwsDenied && !observed.borrowed => {
            return fail("aws_denied", message, "Look at the account's check, allow what is missing, then press the button again.", raw.as_deref());
        }
        Eks::Silent { message, raw, .. } if setup.age >= SETUP_LIMIT && !observed.borrowed => {
            return fail("aws_unavailable", message, "Try again when AWS answers.", raw.as_deref());
        }
        Eks::Silent { .. } => return Step::Wait { detail: "AWS does not answer; trying again" },
    };
    if !described.has_access_entries() {
        return match observed.borrowed {
            true => Step::GiveBack,
            false => {
                fail("no_access_entries", "This cluster's authentication mode has no access entries.", "Add the aws-auth lines and apply the manifest, as the page shows.", None)
            }
        };
    }
    let over = !setup.allowed || setup.refused.is_some() || setup.age >= SETUP_LIMIT;
    if over && observed.borrowed {
        return Step::GiveBack;
    }
    if !setup.allowed {
        return fail("not_allowed_any_more", "Whoever started this is no platform admin any more.", "A platform admin can start it again.", None);
    }
    if let Some(refused) = &setup.refused {
        return fail("manifest_refused", refused, "Put that right in the cluster, then press the button again.", None);
    }
    if over && !(setup.applied && is_whole(&observed.probe)) {
        return too_late(&observed.probe);
    }
    let entry = match &observed.entry {
        EntrySeen::There(entry) => entry,
        EntrySeen::Missing => return Step::CreateEntry,
        EntrySeen::NotAsked => return Step::Wait { detail: "Looking at Slipway's access entry" },
    };
    if !entry.groups.iter().any(|group| group == GROUP) {
        return Step::AddGroup(entry.groups.iter().cloned().chain([GROUP.to_owned()]).collect());
    }
    match (setup.applied, entry.is_admin) {
        // Somebody else applied the manifest: nothing has to be borrowed, or not any more.
        (false, false) if is_whole(&observed.probe) => {
            if observed.borrowed {
                Step::GiveBack
            } else {
                Step::Finish(Ok(()))
            }
        }
        (false, false) => Step::Borrow,
        (false, true) => Step::ApplyManifest,
        (true, _) if observed.borrowed => Step::GiveBack,
        // EKS needs some seconds until the policy has no effect any more; until then the answers say nothing about Slipway's own roles.
        (true, false) if is_admin(&observed.probe) => Step::Wait { detail: "Waiting until the cluster-admin policy has no effect any more" },
        (true, _) if is_whole(&observed.probe) => Step::Finish(Ok(())),
        (true, _) => Step::Wait { detail: "Waiting until the roles have an effect" },
    }
}

fn is_whole(probe: &Probe) -> bool {
    matches!(probe, Probe::Reached(reached) if reached.is_whole())
}

fn is_admin(probe: &Probe) -> bool {
    matches!(probe, Probe::Reached(reached) if reached.is_admin)
}

fn rest(observed: &Observed) -> Duration {
    match (&observed.eks, &observed.probe) {
        (Eks::Described(described), Probe::Reached(reached)) if reached.is_whole() && described.status == "ACTIVE" => CALM,
        (Eks::Absent, _) => CALM,
        _ => BUSY,
    }
}

fn fail(code: &str, cause: &str, next: &str, raw: Option<&str>) -> Step {
    Step::Finish(Err(Failure { code: code.into(), cause: cause.into(), next: next.into(), raw: raw.map(str::to_owned), remedy: None }))
}

fn too_late(probe: &Probe) -> Step {
    let next = "Nothing was left behind: press the button again, or do it by hand as the page shows.";
    match probe {
        Probe::NoEndpoint => fail("cluster_unreachable", "EKS gave the cluster no endpoint in time.", next, None),
        Probe::Reached(reached) => fail("access_incomplete", &missing(reached), next, None),
        Probe::Unknown { raw } => fail("cluster_denied", "The cluster still does not know Slipway.", next, Some(raw)),
        Probe::Unreachable { message, raw } => fail("cluster_unreachable", message, next, Some(raw)),
    }
}

/// What Slipway lacks, in a sentence.
fn missing(reached: &Reached) -> String {
    let missing: Vec<&str> = reached.checks.iter().filter(|check| !check.allowed).map(|check| check.right.as_str()).collect();
    match missing.as_slice() {
        [] => "Slipway has all it needs.".into(),
        [one] => format!("Slipway may not {one}."),
        many => format!("Slipway lacks {} rights: it may not {}, …", many.len(), many[0]),
    }
}

/// How Slipway and the cluster stand, with the sentence and what was said.
pub(super) fn state(observed: &Observed) -> (ClusterState, Option<String>, Option<String>) {
    match (&observed.eks, &observed.probe) {
        (Eks::Absent, _) => (ClusterState::Gone, Some("EKS has no such cluster any more. Detach it here.".into()), None),
        (_, Probe::Reached(reached)) if !reached.is_whole() => (ClusterState::NeedsAccess, Some(missing(reached)), None),
        // With the borrowed policy everything is allowed: that is no answer.
        (_, Probe::Reached(_)) if observed.borrowed => (ClusterState::NeedsAccess, Some("Slipway is setting up its access.".into()), None),
        (_, Probe::Unknown { raw }) => {
            (ClusterState::NeedsAccess, Some("The cluster does not know Slipway: its IAM principal is not mapped to a Kubernetes identity.".into()), Some(raw.clone()))
        }
        (_, Probe::Unreachable { message, raw }) => (ClusterState::Unreachable, Some(message.clone()), Some(raw.clone())),
        // Slipway's way to AWS is broken; the cluster itself answered, so it is not.
        (Eks::Silent { message, raw, .. }, Probe::Reached(_)) => (ClusterState::Connected, Some(message.clone()), raw.clone()),
        (Eks::Silent { message, raw, .. }, Probe::NoEndpoint) => (ClusterState::Unreachable, Some(message.clone()), raw.clone()),
        (Eks::Described(described), Probe::NoEndpoint) => (ClusterState::Connecting, Some(format!("EKS says {}: there is no endpoint to connect to yet.", described.status)), None),
        (Eks::Described(_), Probe::Reached(_)) => (ClusterState::Connected, None, None),
    }
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
