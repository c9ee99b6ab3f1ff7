//! Looking at a cluster, and taking the next step.

use std::time::Duration;

use aws_config::SdkConfig;
use domain::{
    access::PlatformAction,
    error::Code,
    ids::ClusterId,
    operation::{Failure, ObjectKind, StepState},
};
use sqlx::PgConnection;

use super::{
    next::{self, Desired, Eks, EntrySeen, Observed, Setup, Step},
    observation::{self, Looked, Principal},
    probe::{self, Probe},
    setup,
};
use crate::{
    Control, Result, access,
    audit::{self, Event},
    aws::{self, eks, iam, sts},
    k8s::{self, Kind},
    operations,
    reconcile::{self, Claim, Next},
};

/// The most that looking into the cluster itself takes.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// Looks at the claimed cluster and takes one step.
///
/// # Errors
/// Faults only: what AWS and the cluster say is part of what was seen.
pub async fn run(control: &Control, claim: &Claim) -> Result<Next> {
    let id = ClusterId(claim.object_id);
    let mut conn = control.pool.acquire().await?;
    let Some(looked) = observation::look(&mut conn, id, setup::APPLY).await? else {
        control.k8s.forget(id);
        return Ok(Next::Gone);
    };
    let desired = desired(&mut conn, &looked).await?;
    drop(conn);

    let config = control.aws.config(&looked.access(), &looked.region);
    let principal = principal(&config, &looked).await;
    let eks = describe(&config, &looked).await;
    let mut tx = control.pool.begin().await?;
    if !observation::write_description(&mut tx, claim, &eks).await? {
        return Ok(Next::Waits(Duration::ZERO));
    }
    tx.commit().await?;
    let observed = Observed { probe: probe(control, &looked, &eks).await?, entry: entry(&config, &looked, principal.as_ref()).await, borrowed: looked.borrowed, eks };
    let mut tx = control.pool.begin().await?;
    if !observation::write(&mut tx, claim, &observed, principal.as_ref()).await? {
        return Ok(Next::Waits(Duration::ZERO));
    }
    tx.commit().await?;

    let step = next::next(&desired, &observed);
    let arn = principal.as_ref().map(|principal| principal.arn.as_str()).or(looked.principal.as_deref());
    let again = match (&step, arn) {
        (Step::Rest(again), _) => *again,
        (Step::Finish(outcome), _) => {
            finish(control, claim, &looked, outcome.as_ref().copied()).await?;
            Duration::ZERO
        }
        (other, Some(arn)) => setup::take(control, claim, &setup::Scene { looked: &looked, config: &config, principal: arn, entry: &observed.entry }, other).await?,
        (_, None) => return Ok(Next::Failed { error: "AWS does not say who Slipway is".into(), scope_is_down: false }),
    };
    Ok(settle(&desired, &observed, &step, again))
}

/// How to go on. A cluster or an AWS that does not answer is left alone for longer and longer, unless somebody waits for it.
fn settle(desired: &Desired, observed: &Observed, step: &Step, again: Duration) -> Next {
    let idle = desired.setup.is_none() && !observed.borrowed;
    match (&observed.eks, &observed.probe, step) {
        (Eks::Silent { message, raw, .. }, ..) => Next::Failed { error: raw.clone().unwrap_or_else(|| message.clone()), scope_is_down: false },
        (_, Probe::Unreachable { raw, .. }, _) if idle => Next::Failed { error: raw.clone(), scope_is_down: true },
        (_, Probe::Unreachable { .. }, _) => Next::Waits(again),
        (_, _, Step::Rest(_)) => Next::Settled { again },
        _ => Next::Again(again),
    }
}

async fn desired(conn: &mut PgConnection, looked: &Looked) -> Result<Desired> {
    let Some(setup) = &looked.setup else { return Ok(Desired { setup: None, read_only: looked.read_only }) };
    let actor = access::current(conn, setup.actor_kind, setup.actor_id).await?;
    let allowed = actor.is_some_and(|actor| actor.check_platform(PlatformAction::Manage, "cluster").is_ok());
    Ok(Desired { setup: Some(Setup { allowed, applied: setup.applied, refused: setup.refused.clone(), age: setup.age }), read_only: looked.read_only })
}

async fn describe(config: &SdkConfig, looked: &Looked) -> Eks {
    match aws::bounded("look at the cluster", eks::describe(config, &looked.eks_name)).await {
        Ok(Some(described)) if described.arn == looked.arn => Eks::Described(described),
        Ok(_) => Eks::Absent,
        Err(rejected) => Eks::Silent { code: rejected.code, message: rejected.message, raw: rejected.raw },
    }
}

/// Who Slipway is in the account; asked again only while the cluster is not connected, since it changes with the account's role only.
async fn principal(config: &SdkConfig, looked: &Looked) -> Option<Principal> {
    if looked.principal.is_some() && looked.state == domain::cluster::ClusterState::Connected && looked.setup.is_none() {
        return None;
    }
    let found = aws::bounded("find out who it is", async {
        let identity = sts::identity(config).await?;
        Ok(match iam::principal(config, &identity).await {
            iam::Principal::Named(arn) => Principal { may_set_up: setup::may(config, &arn, looked).await, arn },
            // EKS maps roles and users only.
            iam::Principal::Root | iam::Principal::Other(_) => Principal { arn: identity.arn, may_set_up: Some(false) },
        })
    });
    match found.await {
        Ok(principal) => Some(principal),
        Err(rejected) => {
            tracing::debug!(cluster = %looked.id, %rejected, "AWS does not say who Slipway is");
            None
        }
    }
}

async fn entry(config: &SdkConfig, looked: &Looked, principal: Option<&Principal>) -> EntrySeen {
    let principal = principal.map(|principal| principal.arn.as_str()).or(looked.principal.as_deref());
    match principal.filter(|_| looked.borrowed || looked.setup.is_some()) {
        Some(principal) => setup::see_entry(config, &looked.eks_name, principal).await,
        None => EntrySeen::NotAsked,
    }
}

async fn probe(control: &Control, looked: &Looked, eks: &Eks) -> Result<Probe> {
    // What AWS does not say now was said before, or by an admin: the cluster itself may well be up.
    if *eks == Eks::Absent {
        return Ok(Probe::NoEndpoint);
    }
    let client = match control.k8s.own(control, looked.id).await {
        Ok(client) => client,
        // There is no way in yet, or no cluster any more.
        Err(error) if matches!(error.kind, Kind::Unreachable | Kind::NotFound) => return Ok(Probe::NoEndpoint),
        Err(error) => return Ok(Probe::Unreachable { message: "What EKS says of the cluster's API server cannot be used.".into(), raw: error.raw() }),
    };
    match tokio::time::timeout(PROBE_LIMIT, probe::probe(&client)).await {
        Ok(seen) => Ok(seen?),
        Err(_) => {
            let raw = format!("no answer within {} seconds", PROBE_LIMIT.as_secs());
            Ok(Probe::Unreachable { message: k8s::Error::new(Kind::Unreachable, &raw).sentence(), raw })
        }
    }
}

/// Ends the setup, with the event that says what came of it.
pub(super) async fn finish(control: &Control, claim: &Claim, looked: &Looked, outcome: Result<(), &Failure>) -> Result<()> {
    let Some(running) = &looked.setup else { return Ok(()) };
    let mut tx = control.pool.begin().await?;
    if !reconcile::holds(&mut tx, claim).await? {
        return Ok(());
    }
    if operations::finish(&mut tx, running.id, outcome).await? {
        let event = Event::new("cluster.set_up_access", ObjectKind::Cluster, looked.id.0, &looked.name);
        let event = match outcome {
            Ok(()) => event,
            Err(failure) => event.failed().because(Some(&failure.cause)),
        };
        audit::record_later(&mut tx, (running.actor_kind, running.actor_id, &running.actor_name), event).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Notes that a step of the setup is going to change something. False when it must not: the claim was lost, or the cluster has turned read-only.
pub(super) async fn begin(control: &Control, claim: &Claim, looked: &Looked, number: i32, detail: Option<&str>) -> Result<bool> {
    let mut tx = control.pool.begin().await?;
    if !observation::may_write(&mut tx, claim).await? {
        return Ok(false);
    }
    if let Some(running) = &looked.setup {
        operations::step(&mut tx, running.id, number, StepState::Running, detail).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Notes how a step of the setup stands. False when the claim was lost.
pub(super) async fn note(control: &Control, claim: &Claim, looked: &Looked, number: i32, state: StepState, detail: Option<&str>) -> Result<bool> {
    let Some(running) = &looked.setup else { return Ok(true) };
    let mut tx = control.pool.begin().await?;
    if !reconcile::holds(&mut tx, claim).await? {
        return Ok(false);
    }
    operations::step(&mut tx, running.id, number, state, detail).await?;
    tx.commit().await?;
    Ok(true)
}

/// A failure that AWS's refusal amounts to.
pub(super) fn refused_by_aws(rejected: &domain::Rejected) -> Failure {
    let next = match rejected.code {
        Code::AwsDenied => "Allow it to Slipway's role, then press the button again; or do it by hand as the page shows.",
        _ => "Try again in a moment.",
    };
    Failure { code: rejected.code.as_str().into(), cause: rejected.message.clone(), next: next.into(), raw: rejected.raw.clone(), remedy: None }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{aws::eks::Described, testing::World, workspaces::fixture::Place};

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn an_override_is_a_way_in_where_eks_gave_none(pool: PgPool) {
        let world = World::new(pool.clone()).await;
        let place = Place::new(&world).await;
        let described = Eks::Described(Described {
            arn: "arn:aws:eks:us-east-1:123456789012:cluster/forecasting-lab".into(),
            status: "ACTIVE".into(),
            version: None,
            authentication_mode: "API".into(),
            endpoint: None,
            certificate_authority: None,
        });
        let looked = observation::look(&mut pool.acquire().await.unwrap(), place.cluster, setup::APPLY).await.unwrap().unwrap();
        let connection_is = async |connection: serde_json::Value| {
            sqlx::query("update clusters set connection = $1").bind(connection).execute(&pool).await.unwrap();
        };
        assert_eq!(probe(&world.control, &looked, &described).await.unwrap(), Probe::NoEndpoint);
        connection_is(serde_json::json!({"server": "https://127.0.0.1:9"})).await;
        assert_eq!(probe(&world.control, &looked, &described).await.unwrap(), Probe::NoEndpoint, "it would not be known who answers");

        let authority = include_str!("test_ca.pem");
        connection_is(serde_json::json!({"server": "https://127.0.0.1:9", "certificate_authority": authority})).await;
        let seen = probe(&world.control, &looked, &described).await.unwrap();
        assert!(matches!(seen, Probe::Unreachable { .. }), "it was tried: {seen:?}");
    }
}
