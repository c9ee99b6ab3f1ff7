//! What came of writing again what is missing.

use domain::{audit::ActorKind, deployment::DeploymentState, operation::Failure};

use sqlx::{Postgres, Transaction};

use super::{
    super::{next::Intent, store, subject::Subject},
    Done, begin, event, state,
};
use crate::{
    Control, audit,
    inventory::{self, cluster::Put},
    live,
    reconcile::{self, Claim},
};

/// What was missing was written again; says so only when there was any.
pub(in super::super) async fn healed(control: &Control, claim: &Claim, subject: &Subject, put: &[Put]) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    inventory::seen(&mut tx, subject.id.0).await?;
    note_healed(&mut tx, subject, put).await?;
    Ok(tx.commit().await?)
}

/// Some of what was missing was written again, before something stood in the way.
pub(in super::super) async fn healed_partly(control: &Control, claim: &Claim, subject: &Subject, put: &[Put]) -> Done {
    let mut tx = begin(control, claim, subject).await?;
    note_healed(&mut tx, subject, put).await?;
    Ok(tx.commit().await?)
}

async fn note_healed(tx: &mut Transaction<'static, Postgres>, subject: &Subject, put: &[Put]) -> Done {
    let made: Vec<&Put> = put.iter().filter(|put| put.made).collect();
    inventory::applied(tx, subject.id.0, subject.desired.generation, &made).await?;
    if inventory::found(tx, subject.id.0, put).await? {
        // How it stands is another then, and so is what its page shows.
        store::shows_anew(tx, subject.id).await?;
        reconcile::poke(tx, subject.id.0).await?;
    }
    if !made.is_empty() {
        let names: Vec<String> = made.iter().map(|put| format!("{} {}", put.entry.kind, put.entry.name)).collect();
        let event = event("deployment.heal", subject).because(Some("it was missing in the cluster")).change("objects", None::<()>, &names);
        audit::record_later(tx, (ActorKind::System, None, "slipway"), event).await?;
        live::changed(tx, subject.id.0).await?;
    }
    Ok(())
}

/// What is missing could not be written again, with no operation to say so. What never came up keeps saying why.
pub(super) async fn unhealed(control: &Control, claim: &Claim, subject: &Subject, failure: &Failure) -> Done {
    tracing::warn!(deployment = %subject.id, code = failure.code, cause = failure.cause, "a deployment could not be healed");
    if subject.desired.intent != Intent::Run || !subject.desired.came_up {
        return Ok(());
    }
    let mut tx = begin(control, claim, subject).await?;
    let serving = store::serving(&mut tx, subject.id).await?;
    state(&mut tx, subject, DeploymentState::Degraded, Some(&failure.cause), serving).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use domain::{access::TeamRole, deployment::NewDeployment, ids::DeploymentId};
    use sqlx::PgPool;

    use super::{
        super::{Drift, failed, resting},
        *,
    };
    use crate::{
        deployments::{self, subject},
        operations,
        reconcile::{self, Times},
        testing::World,
        workspaces::fixture::Place,
    };

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_cannot_be_healed_is_degraded_until_it_can(pool: PgPool) {
        let world = World::new(pool).await;
        let (control, place) = (&world.control, Place::new(&world).await);
        let ada = place.member(&world, "ada", TeamRole::Deployer).await;
        let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
        let started = deployments::create(&ada, &new).await.unwrap();
        let id = DeploymentId(started.object);
        operations::finish(&mut control.pool.acquire().await.unwrap(), started.operation, Ok(())).await.unwrap();
        let claim = reconcile::claim(&control.pool, "healer", 1, Times::default()).await.unwrap().remove(0);
        let stands = async || {
            let summary = deployments::get(&ada, id).await.unwrap().summary;
            (summary.state, summary.state_message)
        };
        let failure = Failure { code: "name_taken".into(), cause: "There is a Service iris already.".into(), next: "Remove it.".into(), raw: None, remedy: None };
        let never_up = subject::load(control, id).await.unwrap().unwrap();
        let before = stands().await;
        assert!(failed(control, &claim, &never_up, &failure).await.is_ok());
        assert_eq!(stands().await, before, "what never came up keeps saying why");

        sqlx::query("update deployments set live_revision = revision, state = 'live'").execute(&control.pool).await.unwrap();
        let live = subject::load(control, id).await.unwrap().unwrap();
        assert!(failed(control, &claim, &live, &failure).await.is_ok());
        assert_eq!(stands().await, (DeploymentState::Degraded, Some("There is a Service iris already.".into())));
        assert!(healed(control, &claim, &live, &[]).await.is_ok());
        assert!(resting(control, &claim, &live, DeploymentState::Live, 1, &Drift::default()).await.is_ok());
        assert_eq!(stands().await, (DeploymentState::Live, None));
    }
}
