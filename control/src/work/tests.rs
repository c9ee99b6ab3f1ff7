//! The worker on a real database, with a cluster that it never reaches: everything here is decided before or without one.

use std::time::Duration;

use domain::{
    access::{PlatformRole, TeamRole},
    deployment::{DeploymentState, NewDeployment},
    ids::{DeploymentId, OperationId},
    operation::{ObjectKind, Operation, OperationState, StepState},
    workspace::WorkspaceState,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{Claim, Next, outcome};
use crate::{
    Ctx, deployments, operations,
    reconcile::{self, Times},
    testing::World,
    work,
    workspaces::{self, fixture::Place},
};

const LIMIT: Duration = Duration::from_secs(10);

/// Works until `done`, at most ten seconds.
async fn work_until(world: &World, done: impl AsyncFn() -> bool) {
    let stop = CancellationToken::new();
    let hub = tokio::spawn({
        let (control, stop) = (world.control.clone(), stop.clone());
        async move { control.live.run(&control.pool, stop).await }
    });
    let worker = tokio::spawn(work::run(world.control.clone(), stop.clone()));
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
    .await;
    stop.cancel();
    worker.await.unwrap().unwrap();
    hub.await.unwrap();
    waited.expect("it never came to that");
}

async fn deployed(world: &World) -> (Place, Ctx, DeploymentId, OperationId) {
    let place = Place::new(world).await;
    let ada = place.member(world, "ada", TeamRole::Owner).await;
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    let started = deployments::create(&ada, &new).await.unwrap();
    (place, ada, DeploymentId(started.object), started.operation)
}

async fn cluster_is(world: &World, place: &Place, state: &str, message: &str) {
    sqlx::query("update clusters set state = $2::cluster_state, state_message = $3 where id = $1")
        .bind(place.cluster.0)
        .bind(state)
        .bind(message)
        .execute(&world.control.pool)
        .await
        .unwrap();
}

async fn operation(ctx: &Ctx, id: OperationId) -> Operation {
    operations::get(ctx, id).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cluster_that_is_away_is_waited_for_and_said(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, started) = deployed(&world).await;
    cluster_is(&world, &place, "unreachable", "The cluster's API server could not be reached.").await;
    work_until(&world, async || operation(&ada, started).await.steps[0].state == StepState::Running).await;
    let waiting = operation(&ada, started).await;
    assert_eq!(waiting.state, OperationState::Running, "nothing is lost");
    assert_eq!(waiting.steps[0].detail.as_deref(), Some("The cluster's API server could not be reached."));
    let deployment = deployments::get(&ada, id).await.unwrap();
    assert_eq!((deployment.summary.state, deployment.summary.state_message.as_deref()), (DeploymentState::Pending, Some("The cluster's API server could not be reached.")));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_lost_the_right_stops_what_they_started(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, started) = deployed(&world).await;
    sqlx::query("update members set role = 'viewer' where team_id = $1").bind(place.team.0).execute(&world.control.pool).await.unwrap();
    work_until(&world, async || operation(&ada, started).await.state.is_over()).await;
    let failed = operation(&ada, started).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failed.state, failure.code.as_str()), (OperationState::Failed, "right_lost"));
    assert!(failure.cause.contains("ada may not deploy in forecasting any more"), "{}", failure.cause);
    assert_eq!(failed.steps[0].state, StepState::Failed, "the first step failed, the others were never begun");
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.state, DeploymentState::Failed);
    let written = sqlx::query_scalar!(r#"select count(*) as "n!" from inventory where object_id = $1"#, id.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(written, 0, "nothing was applied");
    let recorded =
        sqlx::query_scalar!(r#"select count(*) as "n!" from audit_events where object_id = $1 and outcome = 'failed'"#, id.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(recorded, 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_runs_on_a_cluster_that_is_gone_can_be_deleted(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, started) = deployed(&world).await;
    cluster_is(&world, &place, "gone", "EKS has no such cluster.").await;
    work_until(&world, async || operation(&ada, started).await.state.is_over()).await;
    assert_eq!(operation(&ada, started).await.failure.unwrap().code, "cluster_gone");
    let deletion = deployments::delete(&ada, id).await.unwrap();
    work_until(&world, async || operation(&ada, deletion.operation).await.state.is_over()).await;
    assert_eq!(operation(&ada, deletion.operation).await.state, OperationState::Succeeded);
    assert!(deployments::get(&ada, id).await.unwrap_err().is(domain::Code::NotFound));
    let marks = sqlx::query_scalar!(r#"select count(*) as "n!" from reconcile where object_id = $1"#, id.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(marks, 0);
}

/// Waits until the thing was looked at once more.
async fn look_again(world: &World, object: uuid::Uuid) {
    let pool = &world.control.pool;
    let epoch: i64 = sqlx::query_scalar("update reconcile set not_before = now() where object_id = $1 returning lease_epoch").bind(object).fetch_one(pool).await.unwrap();
    let looked = async || {
        let left = sqlx::query_scalar("select lease_epoch > $2 and lease_until is null from reconcile where object_id = $1").bind(object).bind(epoch);
        // What is forgotten was looked at too.
        left.fetch_optional(pool).await.unwrap() != Some(false)
    };
    work_until(world, looked).await;
}

/// What the record says of a thing: who, action, outcome.
async fn recorded(world: &World, object: uuid::Uuid) -> Vec<(String, String, String)> {
    let rows = sqlx::query_as("select actor_name, action, outcome::text from audit_events where object_id = $1 order by at, id").bind(object);
    rows.fetch_all(&world.control.pool).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_deletion_that_was_stopped_waits_for_somebody_who_may(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, started) = deployed(&world).await;
    let ben = place.member(&world, "ben", TeamRole::Owner).await;
    cluster_is(&world, &place, "gone", "EKS has no such cluster.").await;
    work_until(&world, async || operation(&ada, started).await.state.is_over()).await;
    let deletion = deployments::delete(&ada, id).await.unwrap();
    sqlx::query("update members set role = 'viewer' where user_id = $1").bind(ada.actor().user_id().unwrap().0).execute(&world.control.pool).await.unwrap();
    work_until(&world, async || operation(&ben, deletion.operation).await.state.is_over()).await;
    assert_eq!(operation(&ben, deletion.operation).await.failure.unwrap().code, "right_lost");
    look_again(&world, id.0).await;
    assert_eq!(deployments::get(&ben, id).await.unwrap().summary.state, DeploymentState::Deleting, "it does not go on by itself");

    let again = deployments::delete(&ben, id).await.unwrap();
    work_until(&world, async || operation(&ben, again.operation).await.state.is_over()).await;
    assert!(deployments::get(&ben, id).await.unwrap_err().is(domain::Code::NotFound));
    let deletions: Vec<_> = recorded(&world, id.0).await.into_iter().filter(|(_, action, _)| action == "deployment.delete").map(|(who, _, outcome)| (who, outcome)).collect();
    let expected = [("ada", "accepted"), ("ada", "failed"), ("ben", "accepted"), ("ben", "done")];
    assert_eq!(deletions, expected.map(|(who, outcome)| (who.to_owned(), outcome.to_owned())));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_workspace_whose_deletion_was_stopped_is_wanted_again(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (ada, ben) = (world.user("ada", Some(PlatformRole::Admin)).await, world.user("ben", Some(PlatformRole::Admin)).await);
    cluster_is(&world, &place, "unreachable", "The cluster's API server could not be reached.").await;
    let deletion = workspaces::delete(&ada, place.workspace).await.unwrap();
    sqlx::query("update users set platform_role = null where id = $1").bind(ada.actor().user_id().unwrap().0).execute(&world.control.pool).await.unwrap();
    work_until(&world, async || operation(&ben, deletion.operation).await.state.is_over()).await;
    assert_eq!(operation(&ben, deletion.operation).await.failure.unwrap().code, "right_lost");
    look_again(&world, place.workspace.0).await;
    assert_eq!(workspaces::get(&ben, place.workspace).await.unwrap().state, WorkspaceState::Preparing, "whatever of it is gone is written again");
    let running = operations::running(&mut world.control.pool.acquire().await.unwrap(), place.workspace.0).await.unwrap().unwrap();
    assert_eq!((running.verb.as_str(), running.actor_name.as_str()), ("keep", "slipway"));
    let said = recorded(&world, place.workspace.0).await;
    let expected = [("ada", "workspace.delete", "accepted"), ("ada", "workspace.delete", "failed"), ("slipway", "workspace.keep", "accepted")];
    assert_eq!(said, expected.map(|(who, action, outcome)| (who.to_owned(), action.to_owned(), outcome.to_owned())));

    cluster_is(&world, &place, "gone", "EKS has no such cluster.").await;
    let again = workspaces::delete(&ben, place.workspace).await.unwrap();
    work_until(&world, async || operation(&ben, again.operation).await.state.is_over()).await;
    assert!(workspaces::get(&ben, place.workspace).await.unwrap_err().is(domain::Code::NotFound));
    assert_eq!(recorded(&world, place.workspace.0).await.last().map(|(who, _, outcome)| (who.as_str(), outcome.as_str())), Some(("ben", "done")));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_held_is_left_alone(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, ada, id, started) = deployed(&world).await;
    operations::cancel(&ada, started).await.unwrap();
    let looked = async || sqlx::query_scalar!("select observed_generation from reconcile where object_id = $1", id.0).fetch_one(&world.control.pool).await.unwrap() == 1;
    work_until(&world, looked).await;
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.state, DeploymentState::Held);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_held_is_counted_while_its_rows_are_fresh(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, started) = deployed(&world).await;
    operations::cancel(&ada, started).await.unwrap();
    let pool = &world.control.pool;
    let rows = [
        "insert into observed_deployments (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision, observed_by_controller, replicas, updated_replicas, ready_replicas, available_replicas)
         values ($1, 'forecasting', 'iris', $2, 'd', '1', 'x', 1, 1, true, 1, 1, 1, 1)",
        "insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at)
         values ($1, 'forecasting', 'iris-1', 'p', $2, 1, 'Running', true, false, 0, now())",
        "insert into observed_sync (cluster_id, kind, synced_at, lease_epoch) select $1, kind, now(), 1 from unnest('{deployments,pods}'::text[]) kind where $2::uuid is not null",
    ];
    for row in rows {
        sqlx::query(row).bind(place.cluster.0).bind(id.0).execute(pool).await.unwrap();
    }
    let stands = async || {
        let summary = deployments::get(&ada, id).await.unwrap().summary;
        (summary.state, summary.ready_replicas)
    };
    look_again(&world, id.0).await;
    assert_eq!(stands().await, (DeploymentState::Held, 1));
    sqlx::query("delete from observed_pods").execute(pool).await.unwrap();
    look_again(&world, id.0).await;
    assert_eq!(stands().await, (DeploymentState::Held, 0));
    // What was seen long ago says nothing about now.
    sqlx::query("update deployments set ready_replicas = 1").execute(pool).await.unwrap();
    sqlx::query("update observed_sync set synced_at = now() - interval '1 hour'").execute(pool).await.unwrap();
    look_again(&world, id.0).await;
    assert_eq!(stands().await, (DeploymentState::Held, 1));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_kind_that_nothing_reconciles_slows_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let stray = uuid::Uuid::now_v7();
    let mut conn = world.control.pool.acquire().await.unwrap();
    reconcile::mark(&mut conn, stray, ObjectKind::Team, reconcile::Scope::None, 1).await.unwrap();
    drop(conn);
    let backed_off = async || {
        sqlx::query_scalar!("select attempts from reconcile where object_id = $1 and last_error is not null", stray).fetch_optional(&world.control.pool).await.unwrap() == Some(1)
    };
    work_until(&world, backed_off).await;
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_step_that_panics_or_fails_is_tried_again_later(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, _, id, _) = deployed(&world).await;
    let claim: Claim = reconcile::claim(&world.control.pool, "test", 1, Times::default()).await.unwrap().remove(0);
    assert_eq!(claim.object_id, id.0);
    let panicked = outcome(&claim, LIMIT, async { panic!("a bug") }).await;
    assert!(matches!(&panicked, Next::Failed { error, scope_is_down: false } if error.contains("a bug")), "{panicked:?}");
    let failed = outcome(&claim, LIMIT, async { Err(anyhow::anyhow!("no disk").into()) }).await;
    assert!(matches!(&failed, Next::Failed { error, scope_is_down: false } if error.contains("no disk")), "{failed:?}");
    let endless = outcome(&claim, Duration::from_millis(50), std::future::pending()).await;
    assert!(matches!(&endless, Next::Failed { error, scope_is_down: true } if error == "took longer than 0.05 seconds"), "{endless:?}");
    reconcile::settle(&world.control.pool, &claim, &panicked, Times::default()).await.unwrap();
    let row = sqlx::query!(r#"select attempts, lease_until is null as "free!", not_before > now() as "later!" from reconcile where object_id = $1"#, id.0)
        .fetch_one(&world.control.pool)
        .await
        .unwrap();
    assert_eq!((row.attempts, row.free, row.later), (1, true, true));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_record_is_sealed_while_a_worker_works(pool: PgPool) {
    let world = World::new(pool).await;
    deployed(&world).await;
    let sealed = async || sqlx::query_scalar!(r#"select count(*) as "n!" from audit_events where sequence is null"#).fetch_one(&world.control.pool).await.unwrap() == 0;
    work_until(&world, sealed).await;
    assert_eq!(crate::audit::seal::verify(&world.control.pool).await.unwrap(), None);
}
