//! People, workers and watches at one deployment at once: none of them ever waits for somebody who waits for them.

use std::time::Duration;

use domain::{
    Code,
    access::TeamRole,
    deployment::{DeploymentChange, DeploymentState, NewDeployment, Variable},
    ids::DeploymentId,
    operation::ObjectKind,
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::{next::Progress, record, subject};
use crate::{
    Control, Ctx, Error, Result, deployments,
    inventory::{Entry, cluster::Put},
    observed::fixture::Watch,
    operations,
    reconcile::{self, Claim, Halt, Scope, Times},
    testing::{World, until_somebody_waits},
    workspaces::{
        self,
        fixture::{self, Place},
    },
};

/// How often each of them does what they do.
const ROUNDS: usize = 40;
const PROGRESS: Progress = Progress { wanted: 1, ready: 1, earlier: 0, serving: 1 };

/// A refusal is an answer; a fault is what a deadlock comes out as.
fn answered<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error @ Error::Fault(_)) => panic!("{error:?}"),
        Err(_) => None,
    }
}

fn written(outcome: Result<(), Halt>) {
    match outcome {
        Ok(()) | Err(Halt::Lost) => {}
        Err(Halt::Ours(error)) => panic!("{error:?}"),
        Err(_) => panic!("the cluster is not asked here"),
    }
}

async fn write_down(control: &Control, claim: &Claim) {
    let put = Put::of(Entry::new("Service", "forecasting", "iris"));
    for round in 0..ROUNDS * 4 {
        let subject = subject::load(control, DeploymentId(claim.object_id)).await.unwrap().expect("nobody may delete it");
        let found = if round % 2 == 0 { DeploymentState::Live } else { DeploymentState::Degraded };
        written(record::resting(control, claim, &subject, found, 1, &record::Drift::default()).await);
        written(record::applying(control, claim, &subject, std::slice::from_ref(&put.entry)).await);
        written(record::applied(control, claim, &subject, std::slice::from_ref(&put)).await);
        written(record::rolling(control, claim, &subject, PROGRESS, None).await);
        written(record::finished(control, claim, &subject, PROGRESS).await);
    }
}

async fn change(ctx: &Ctx, id: DeploymentId) {
    for round in 0..ROUNDS {
        let environment = vec![Variable { name: "ROUND".into(), value: round.to_string() }];
        let started = answered(deployments::change(ctx, id, &DeploymentChange { environment: Some(environment), ..DeploymentChange::default() }).await);
        if let Some(started) = started.filter(|_| round % 3 == 0) {
            answered(operations::cancel(ctx, started.operation).await);
        }
    }
}

async fn refused(ctx: &Ctx, id: DeploymentId) {
    for _ in 0..ROUNDS * 4 {
        let error = deployments::delete(ctx, id).await.unwrap_err();
        assert!(error.is(Code::Forbidden), "{error:?}");
    }
}

async fn prepare(control: &Control, claim: &Claim) {
    for _ in 0..ROUNDS * 4 {
        written(fixture::whole(control, claim).await);
    }
}

async fn watch(control: &Control, ids: &[Uuid], scope: Scope) {
    for round in 0..ROUNDS * 4 {
        let mut tx = control.pool.begin().await.unwrap();
        if round % 5 == 0 {
            reconcile::rouse(&mut tx, scope).await.unwrap();
        } else {
            for id in ids {
                reconcile::poke(&mut tx, *id).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
    }
}

async fn miss(place: &Place, control: &Control) {
    let watch = Watch::of(control, place.cluster).await;
    for round in 0..ROUNDS * 4 {
        watch.miss_service((round % 2 == 0).then_some("iris")).await;
    }
}

async fn resize(ctx: &Ctx, place: &Place) {
    for _ in 0..ROUNDS {
        let quota = workspaces::get(ctx, place.workspace).await.unwrap().quota;
        answered(workspaces::update(ctx, place.workspace, &domain::workspace::WorkspaceChange { quota: Some(quota), adopt: None }).await);
    }
}

async fn deployed(ctx: &Ctx, place: &Place, name: &str) -> DeploymentId {
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: Some(name.into()), size: None, replicas: None, environment: Vec::new(), reason: None };
    DeploymentId(deployments::create(ctx, &new).await.unwrap().object)
}

/// Claims of everything at the place.
async fn claims(pool: &PgPool, place: &Place) -> Vec<Claim> {
    let (scope, mut conn) = (Scope::Cluster(place.cluster.0), pool.acquire().await.unwrap());
    reconcile::mark(&mut conn, place.cluster.0, ObjectKind::Cluster, scope, 1).await.unwrap();
    reconcile::mark(&mut conn, place.workspace.0, ObjectKind::Workspace, scope, 1).await.unwrap();
    reconcile::claim(pool, "worker", 10, Times::default()).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_waited_for_a_workspace_is_marked_in_the_order_of_its_ids(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let (first, second) = (deployed(&ada, &place, "first").await, deployed(&ada, &place, "second").await);
    assert!(first.0 < second.0);
    // From now on the database comes upon the second one first.
    sqlx::query("update deployments set state_message = 'waits' where id = $1").bind(first.0).execute(&pool).await.unwrap();
    let claims = claims(&pool, &place).await;
    let claim = claims.iter().find(|claim| claim.object_id == place.workspace.0).unwrap();
    let mut busy = pool.begin().await.unwrap();
    let lock = "select object_id from reconcile where object_id = $1 for update nowait";
    sqlx::query(lock).bind(first.0).fetch_all(&mut *busy).await.unwrap();
    let (whole, ()) = tokio::join!(fixture::whole(&world.control, claim), async {
        until_somebody_waits(&mut busy).await;
        sqlx::query(lock).bind(second.0).fetch_all(&mut *busy).await.expect("whoever waits for the first does not hold the second");
        busy.commit().await.unwrap();
    });
    written(whole);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn nobody_waits_for_somebody_who_waits_for_them(_: PgPoolOptions, options: PgConnectOptions) {
    let pool: PgPool = PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(60)).connect_with(options).await.unwrap();
    let world = World::new(pool.clone()).await;
    let (control, place) = (&world.control, Place::new(&world).await);
    let admin = world.user("admin", Some(domain::access::PlatformRole::Admin)).await;
    let (ada, bob) = (place.member(&world, "ada", TeamRole::Deployer).await, place.member(&world, "bob", TeamRole::Deployer).await);
    let (id, other) = (deployed(&ada, &place, "iris").await, deployed(&ada, &place, "other").await);
    let scope = Scope::Cluster(place.cluster.0);
    let claims = claims(&pool, &place).await;
    let claim = |id| claims.iter().find(|claim| claim.object_id == id).expect("it was marked");
    let mut watched = [place.cluster.0, place.workspace.0, id.0, other.0];
    watched[1..].sort();
    tokio::join!(
        write_down(control, claim(id.0)),
        prepare(control, claim(place.workspace.0)),
        change(&ada, id),
        change(&ada, other),
        refused(&bob, id),
        refused(&bob, id),
        watch(control, &watched, scope),
        watch(control, &watched, scope),
        miss(&place, control),
        resize(&admin, &place),
    );
    let summary = deployments::get(&bob, id).await.unwrap().summary;
    assert_eq!(summary.revision, i32::try_from(ROUNDS + 1).unwrap(), "every change came through");
}
