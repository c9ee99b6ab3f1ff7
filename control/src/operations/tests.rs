use domain::{
    access::TeamRole,
    deployment::{DeploymentChange, NewDeployment},
    ids::{DeploymentId, OperationId},
    operation::{Failure, OperationState, StepState},
};
use sqlx::PgPool;

use crate::{Ctx, deployments, operations, testing::World, workspaces::fixture::Place};

/// A rollout whose first step is done and whose second goes on.
struct Rollout {
    world: World,
    ada: Ctx,
    deployment: DeploymentId,
    id: OperationId,
}

impl Rollout {
    async fn new(pool: PgPool) -> Self {
        let world = World::new(pool).await;
        let place = Place::new(&world).await;
        let ada = place.member(&world, "ada", TeamRole::Deployer).await;
        let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
        let started = deployments::create(&ada, &new).await.unwrap();
        let mut conn = world.control.pool.acquire().await.unwrap();
        operations::step(&mut conn, started.operation, 1, StepState::Done, None).await.unwrap();
        operations::step(&mut conn, started.operation, 2, StepState::Running, Some("0 of 1 ready. A replica waits for a node.")).await.unwrap();
        Self { world, ada, deployment: DeploymentId(started.object), id: started.operation }
    }

    /// How it ended, and how each step stands with what it says; none goes on.
    async fn ended(&self) -> (OperationState, Vec<(StepState, Option<String>)>) {
        let operation = operations::get(&self.ada, self.id).await.unwrap();
        assert!(operation.steps.iter().all(|step| step.finished_at.is_some()), "{:?}", operation.steps);
        (operation.state, operation.steps.into_iter().map(|step| (step.state, step.detail)).collect())
    }
}

fn steps(second: (StepState, &str)) -> Vec<(StepState, Option<String>)> {
    let later = vec![(StepState::Skipped, None); deployments::ROLL_OUT.len() - 2];
    [vec![(StepState::Done, None), (second.0, Some(second.1.to_owned()))], later].concat()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_step_that_failed_says_what_ended_it(pool: PgPool) {
    let rollout = Rollout::new(pool).await;
    let cause = "The model ran out of memory, also after a restart. Each replica may use 512 MiB.";
    let failure = Failure { code: "out_of_memory".into(), cause: cause.into(), next: "Retry with size medium.".into(), raw: None, remedy: None };
    let mut conn = rollout.world.control.pool.acquire().await.unwrap();
    assert!(operations::finish(&mut conn, rollout.id, Err(&failure)).await.unwrap());
    assert!(!operations::finish(&mut conn, rollout.id, Ok(())).await.unwrap(), "it is over");
    assert_eq!(rollout.ended().await, (OperationState::Failed, steps((StepState::Failed, "The model ran out of memory, also after a restart."))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_overtaken_does_not_seem_to_go_on(pool: PgPool) {
    let rollout = Rollout::new(pool).await;
    deployments::change(&rollout.ada, rollout.deployment, &DeploymentChange { replicas: Some(2), ..DeploymentChange::default() }).await.unwrap();
    assert_eq!(rollout.ended().await, (OperationState::Superseded, steps((StepState::Skipped, "A later change took its place."))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_cancelled_does_not_seem_to_go_on(pool: PgPool) {
    let rollout = Rollout::new(pool).await;
    operations::cancel(&rollout.ada, rollout.id).await.unwrap();
    assert_eq!(rollout.ended().await, (OperationState::Cancelled, steps((StepState::Skipped, "It was cancelled here."))));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_succeeded_keeps_nothing_of_what_went_on(pool: PgPool) {
    let rollout = Rollout::new(pool).await;
    operations::finish(&mut rollout.world.control.pool.acquire().await.unwrap(), rollout.id, Ok(())).await.unwrap();
    assert_eq!(rollout.ended().await, (OperationState::Succeeded, vec![(StepState::Done, None); deployments::ROLL_OUT.len()]));
}
