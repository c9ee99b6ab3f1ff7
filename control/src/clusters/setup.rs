//! Setting up Slipway's own access with one click.
//!
//! Slipway creates its access entry, borrows the cluster-admin policy for the moment in which it applies its own roles, and gives the
//! policy back. That it has to be given back is noted in the database *before* it is borrowed and forgotten only after EKS was seen
//! without it, so a process killed at any point leaves a note that the next look at the cluster acts on first.
//! A policy that was associated before is used as it is and stays.
//!
//! A cluster that turns read-only stops it before its next write, other than giving the policy back; it goes on once an admin has decided.

use std::time::Duration;

use aws_config::SdkConfig;
use domain::{error::Code, operation::StepState};

use super::{
    manifest::Manifest,
    next::{EntrySeen, Step},
    observation::{self, Looked},
    reconcile::{begin, finish, note, refused_by_aws},
    restored::why_read_only,
    rights::GROUP,
};
use crate::{
    Control, Result,
    aws::{self, eks, iam},
    k8s::{self, Kind},
    reconcile::{self, Claim},
    work::points,
};

/// What the operation shows, in order.
pub(super) const STEPS: [&str; 5] =
    ["Create Slipway's access entry", "Borrow the cluster-admin policy", "Apply Slipway's roles", "Give the cluster-admin policy back", "Check what Slipway may do"];
const ENTRY: i32 = 1;
const BORROW: i32 = 2;
/// The step whose state remembers whether the manifest was applied.
pub(super) const APPLY: i32 = 3;
const GIVE_BACK: i32 = 4;
const VERIFY: i32 = 5;

/// Where a step is taken.
pub(super) struct Scene<'a> {
    pub looked: &'a Looked,
    pub config: &'a SdkConfig,
    pub principal: &'a str,
    pub entry: &'a EntrySeen,
}

/// Something outside was not ready: how long to leave it alone.
const SOON: Duration = Duration::from_secs(2);
const NOW: Duration = Duration::ZERO;
/// An admin has to decide first, and wakes it then.
const STANDING: Duration = Duration::from_secs(30);

/// Takes a step that changes something; gives when to look again.
///
/// # Errors
/// Faults only: a refusal ends the operation with its cause, or is tried again.
pub(super) async fn take(control: &Control, claim: &Claim, scene: &Scene<'_>, step: &Step) -> Result<Duration> {
    match step {
        Step::CreateEntry => {
            if !begin(control, claim, scene.looked, ENTRY, None).await? {
                return Ok(NOW);
            }
            let made = aws::bounded("create its own access entry", eks::create_entry(scene.config, &scene.looked.eks_name, scene.principal, GROUP, &token(scene, "entry"))).await;
            points::reached("cluster.entry_made").await;
            settle_entry(control, claim, scene, made).await
        }
        Step::AddGroup(groups) => {
            if !begin(control, claim, scene.looked, ENTRY, Some("It has an entry already: adding the group slipway to it")).await? {
                return Ok(NOW);
            }
            let token = token(scene, &format!("groups-{}", groups.len()));
            let set = aws::bounded("add its group to its own access entry", eks::set_groups(scene.config, &scene.looked.eks_name, scene.principal, groups, &token)).await;
            settle_entry(control, claim, scene, set).await
        }
        Step::Borrow => borrow(control, claim, scene).await,
        Step::ApplyManifest => apply(control, claim, scene).await,
        Step::GiveBack => give_back(control, claim, scene).await,
        Step::Wait { detail } => {
            note(control, claim, scene.looked, VERIFY, StepState::Running, Some(detail)).await?;
            Ok(SOON)
        }
        Step::Stand(step) => {
            note(control, claim, scene.looked, number(step), StepState::Running, Some(&why_read_only(&scene.looked.name))).await?;
            Ok(STANDING)
        }
        Step::Finish(_) | Step::Rest(_) => Ok(NOW),
    }
}

/// Where the operation shows a step.
fn number(step: &Step) -> i32 {
    match step {
        Step::CreateEntry | Step::AddGroup(_) => ENTRY,
        Step::Borrow => BORROW,
        Step::ApplyManifest => APPLY,
        Step::GiveBack => GIVE_BACK,
        Step::Wait { .. } | Step::Stand(_) | Step::Finish(_) | Step::Rest(_) => VERIFY,
    }
}

async fn settle_entry(control: &Control, claim: &Claim, scene: &Scene<'_>, outcome: Result<(), domain::Rejected>) -> Result<Duration> {
    match outcome {
        Ok(()) => {
            note(control, claim, scene.looked, ENTRY, StepState::Done, Some(scene.principal)).await?;
            Ok(NOW)
        }
        Err(rejected) => refused(control, claim, scene, ENTRY, &rejected).await,
    }
}

async fn borrow(control: &Control, claim: &Claim, scene: &Scene<'_>) -> Result<Duration> {
    let mut tx = control.pool.begin().await?;
    if !observation::note_borrowed(&mut tx, claim).await? {
        return Ok(NOW);
    }
    tx.commit().await?;
    note(control, claim, scene.looked, ENTRY, StepState::Done, Some(scene.principal)).await?;
    if !begin(control, claim, scene.looked, BORROW, None).await? {
        return Ok(NOW);
    }
    points::reached("cluster.borrowing").await;
    let made = aws::bounded("borrow the cluster-admin policy", eks::make_admin(scene.config, &scene.looked.eks_name, scene.principal)).await;
    points::reached("cluster.borrowed").await;
    let mut tx = control.pool.begin().await?;
    if !reconcile::holds(&mut tx, claim).await? {
        // Another worker may have finished the setup meanwhile, without knowing of this policy.
        observation::note_borrowed_late(&mut tx, scene.looked.id, scene.looked.generation).await?;
        tx.commit().await?;
        return Ok(NOW);
    }
    match made {
        Ok(()) => {
            tx.commit().await?;
            note(control, claim, scene.looked, BORROW, StepState::Done, Some("For as long as applying the roles takes")).await?;
            Ok(NOW)
        }
        Err(rejected) => {
            if rejected.code == Code::AwsDenied {
                // A denial is certain: nothing was borrowed.
                observation::note_given_back(&mut tx, claim).await?;
            }
            tx.commit().await?;
            refused(control, claim, scene, BORROW, &rejected).await
        }
    }
}

async fn apply(control: &Control, claim: &Claim, scene: &Scene<'_>) -> Result<Duration> {
    note(control, claim, scene.looked, ENTRY, StepState::Done, Some(scene.principal)).await?;
    let borrowed = if scene.looked.borrowed { (StepState::Done, "For as long as applying the roles takes") } else { (StepState::Skipped, "Slipway has it already; it stays") };
    note(control, claim, scene.looked, BORROW, borrowed.0, Some(borrowed.1)).await?;
    if !begin(control, claim, scene.looked, APPLY, None).await? {
        return Ok(NOW);
    }
    let client = control.k8s.own(control, scene.looked.id).await?;
    let applied = write_manifest(control, claim, &client).await;
    points::reached("cluster.applied").await;
    let (state, detail) = match applied {
        Ok(true) => (StepState::Done, None),
        // It turned read-only, or another worker's, meanwhile: the next look says which.
        Ok(false) => return Ok(NOW),
        Err(error) if matches!(error.kind, Kind::Conflict | Kind::Invalid) => (StepState::Failed, Some(format!("{} ({})", error.sentence(), error.raw()))),
        // EKS needs some seconds until a policy has an effect.
        Err(error) if matches!(error.kind, Kind::Unauthorized | Kind::Forbidden) => (StepState::Running, Some(format!("Waiting until the policy has an effect: {}", error.raw()))),
        Err(error) => (StepState::Running, Some(format!("Trying again: {}", error.raw()))),
    };
    note(control, claim, scene.looked, APPLY, state, detail.as_deref()).await?;
    Ok(if state == StepState::Running { SOON } else { NOW })
}

/// Asks before each object whether it may still be written; false when it stopped half way.
async fn write_manifest(control: &Control, claim: &Claim, client: &kube::Client) -> k8s::Result<bool> {
    let manifest = Manifest::new();
    for write in manifest.writes(client) {
        let mut conn = control.pool.acquire().await.map_err(k8s::Error::fault)?;
        if !observation::may_write(&mut conn, claim).await.map_err(k8s::Error::fault)? {
            return Ok(false);
        }
        drop(conn);
        write.await?;
    }
    Ok(true)
}

async fn give_back(control: &Control, claim: &Claim, scene: &Scene<'_>) -> Result<Duration> {
    if !note(control, claim, scene.looked, GIVE_BACK, StepState::Running, None).await? {
        return Ok(NOW);
    }
    let gone = |entry: &EntrySeen| match entry {
        EntrySeen::Missing => true,
        EntrySeen::There(entry) => !entry.is_admin,
        EntrySeen::NotAsked => false,
    };
    let taken = aws::bounded("give the cluster-admin policy back", eks::unmake_admin(scene.config, &scene.looked.eks_name, scene.principal)).await;
    points::reached("cluster.given_back").await;
    let seen = see_entry(scene.config, &scene.looked.eks_name, scene.principal).await;
    if gone(&seen) {
        let mut tx = control.pool.begin().await?;
        if observation::note_given_back(&mut tx, claim).await? {
            tx.commit().await?;
            note(control, claim, scene.looked, GIVE_BACK, StepState::Done, None).await?;
        }
        return Ok(NOW);
    }
    let said = taken.err().map_or_else(|| "EKS still shows it".to_owned(), |rejected| rejected.raw.unwrap_or(rejected.message));
    tracing::warn!(cluster = %scene.looked.id, said, seen = ?scene.entry, "the borrowed cluster-admin policy is not given back yet");
    note(control, claim, scene.looked, GIVE_BACK, StepState::Running, Some(&format!("Trying again: {said}"))).await?;
    Ok(SOON)
}

/// Ends the operation when AWS refuses; anything else is tried again until the setup's time is over.
async fn refused(control: &Control, claim: &Claim, scene: &Scene<'_>, step: i32, rejected: &domain::Rejected) -> Result<Duration> {
    let said = rejected.raw.as_deref().unwrap_or(&rejected.message);
    if rejected.code == Code::AwsDenied {
        note(control, claim, scene.looked, step, StepState::Failed, Some(said)).await?;
        finish(control, claim, scene.looked, Err(&refused_by_aws(rejected))).await?;
        return Ok(NOW);
    }
    note(control, claim, scene.looked, step, StepState::Running, Some(&format!("Trying again: {said}"))).await?;
    Ok(SOON)
}

/// What EKS says of Slipway's entry; what it does not say is not known.
pub(super) async fn see_entry(config: &SdkConfig, cluster: &str, principal: &str) -> EntrySeen {
    match aws::bounded("look at its own access entry", eks::entry(config, cluster, principal)).await {
        Ok(Some(entry)) => EntrySeen::There(entry),
        Ok(None) => EntrySeen::Missing,
        Err(rejected) => {
            tracing::debug!(%rejected, "AWS does not show Slipway's access entry");
            EntrySeen::NotAsked
        }
    }
}

/// Whether IAM lets Slipway do all of this; none when IAM does not say.
pub(super) async fn may(config: &SdkConfig, principal: &str, looked: &Looked) -> Option<bool> {
    const ON_CLUSTER: [&str; 1] = ["eks:CreateAccessEntry"];
    const ON_ENTRY: [&str; 5] =
        ["eks:AssociateAccessPolicy", "eks:DescribeAccessEntry", "eks:DisassociateAccessPolicy", "eks:ListAssociatedAccessPolicies", "eks:UpdateAccessEntry"];
    let entries = looked.arn.replacen(":cluster/", ":access-entry/", 1) + "/*";
    for (actions, resource) in [(&ON_CLUSTER[..], looked.arn.as_str()), (&ON_ENTRY[..], entries.as_str())] {
        match iam::simulate(config, principal, actions, resource).await {
            Ok(found) if found.iter().all(|found| found.denied.is_none()) => {}
            Ok(_) => return Some(false),
            Err(rejected) => {
                tracing::debug!(%rejected, "IAM does not say whether Slipway may set up its own access");
                return None;
            }
        }
    }
    Some(true)
}

/// A repetition of the same step of the same setup is the same request to EKS.
fn token(scene: &Scene<'_>, step: &str) -> String {
    let generation = scene.looked.setup.as_ref().map_or(scene.looked.generation, |setup| setup.generation);
    format!("{}-{generation}-{step}", scene.looked.id)
}
