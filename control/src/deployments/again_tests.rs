//! The same once more: taking over what others set, resuming, going back to what is.

use domain::{
    Code,
    access::TeamRole,
    deployment::{DeploymentChange, DeploymentState, NewDeployment, Rollback, StillServing},
    ids::{DeploymentId, OperationId},
    operation::{ChangedField, Failure, Remedy},
    size::Size,
    token::{NewToken, TokenKind},
};
use sqlx::PgPool;

use super::{
    next::Progress,
    record, store,
    subject::{self, Subject},
};
use crate::{
    Credential, Ctx, deployments,
    inventory::{
        self, Entry,
        cluster::{Put, Shown, When},
    },
    operations,
    reconcile::{self, Claim, Times},
    sessions,
    testing::World,
    tokens,
    workspaces::fixture::Place,
};

async fn deployed(world: &World, replicas: i32) -> (Place, Ctx, DeploymentId, OperationId) {
    let place = Place::new(world).await;
    let ada = place.member(world, "ada", TeamRole::Deployer).await;
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: Some(replicas), environment: Vec::new(), reason: None };
    let started = deployments::create(&ada, &new).await.unwrap();
    (place, ada, DeploymentId(started.object), started.operation)
}

/// Whatever runs is over, and the wanted revision came up.
async fn comes_up(world: &World) {
    sqlx::raw_sql("update operations set state = 'succeeded', finished_at = now() where state = 'running'; update deployments set state = 'live', live_revision = revision")
        .execute(&world.control.pool)
        .await
        .unwrap();
}

async fn fails(world: &World) {
    sqlx::raw_sql("update operations set state = 'failed', finished_at = now() where state = 'running'; update deployments set state = 'failed'")
        .execute(&world.control.pool)
        .await
        .unwrap();
}

async fn fails_over(world: &World, failure: &Failure) {
    fails(world).await;
    sqlx::query("update operations set failure = $1 where state = 'failed'").bind(serde_json::to_value(failure).unwrap()).execute(&world.control.pool).await.unwrap();
}

async fn applied(world: &World, id: DeploymentId, generation: i64) {
    let entry = Entry::new("Deployment", "forecasting", "iris");
    let mut conn = world.control.pool.acquire().await.unwrap();
    inventory::intend(&mut conn, id.0, std::slice::from_ref(&entry)).await.unwrap();
    inventory::applied(&mut conn, id.0, generation, &[&Put::of(entry)]).await.unwrap();
}

async fn pod(world: &World, place: &Place, id: DeploymentId, name: &str, revision: i32) {
    sqlx::query(
        "insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at)
         values ($1, 'forecasting', $2, $2, $3, $4, 'Running', true, false, 0, now())",
    )
    .bind(place.cluster.0)
    .bind(name)
    .bind(id.0)
    .bind(revision)
    .execute(&world.control.pool)
    .await
    .unwrap();
}

async fn loaded(world: &World, id: DeploymentId) -> (Claim, Subject) {
    let claim = reconcile::claim(&world.control.pool, "worker", 1, Times::default()).await.unwrap().remove(0);
    (claim, subject::load(&world.control, id).await.unwrap().unwrap())
}

fn back_to(revision: i32) -> Rollback {
    Rollback { revision, reason: None }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn taking_over_is_one_revision_at_a_persons_word_and_on_the_record(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, ada, id, _) = deployed(&world, 1).await;
    let subject = async || subject::load(&world.control, id).await.unwrap().unwrap();
    let take_over = DeploymentChange { take_over: true, ..DeploymentChange::default() };
    assert_eq!(subject().await.when(), When::Always);
    comes_up(&world).await;
    assert!(deployments::change(&ada, id, &DeploymentChange::default()).await.unwrap_err().is(Code::Conflict), "it runs exactly this");
    let nothing = deployments::change(&ada, id, &take_over).await.unwrap_err();
    assert!(nothing.is(Code::Conflict) && nothing.rejected().unwrap().errors[0].field == "take_over", "nobody holds anything: {nothing:?}");
    deployments::change(&ada, id, &DeploymentChange { replicas: Some(3), ..DeploymentChange::default() }).await.unwrap();
    let held = ChangedField::set_by("\"kubectl\" using apps/v1", ".spec.replicas", "Deployment", "iris");
    let failure = Failure { code: "changed_by_others".into(), cause: String::new(), next: String::new(), raw: None, remedy: Some(Remedy::take_over(vec![held.clone()])) };
    fails_over(&world, &failure).await;
    let token = tokens::create(&ada, &NewToken { name: "ci".into(), kind: TokenKind::Personal, team: None, role: None, days: 1 }).await.unwrap();
    let ci = sessions::holder(&world.control, &Credential::Token(token.secret)).await.unwrap().expect("it is good");
    assert!(deployments::change(&world.ctx(ci), id, &take_over).await.unwrap_err().is(Code::Forbidden), "a token decides nothing for a person");
    deployments::change(&ada, id, &take_over).await.unwrap();
    assert_eq!(subject().await.when(), When::TakingOver(&[Shown::from(&held)]), "what they were shown");
    let revisions = deployments::revisions(&ada, id).await.unwrap();
    assert_eq!(revisions.iter().map(|revision| revision.take_over).collect::<Vec<_>>(), [true, false, false]);
    let recorded: String = sqlx::query_scalar("select changes::text from audit_events where action = 'deployment.change' and outcome = 'accepted' order by id desc limit 1")
        .fetch_one(&world.control.pool)
        .await
        .unwrap();
    assert!(recorded.contains("take_over") && recorded.contains(".spec.replicas of"), "{recorded}");

    comes_up(&world).await;
    assert_eq!(subject().await.when(), When::Always, "nobody stands behind it any more");
    deployments::raise(&mut world.control.pool.acquire().await.unwrap(), &ada, id, 9).await.unwrap();
    assert!(subject::load(&world.control, id).await.unwrap().unwrap().operation.is_some());
    assert_eq!(subject().await.when(), When::Always, "what is applied again takes nothing over");
    deployments::change(&ada, id, &DeploymentChange { replicas: Some(2), ..DeploymentChange::default() }).await.unwrap();
    assert_eq!(subject().await.when(), When::Always, "the next change asks anew");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_ends_a_hold_says_so(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, ada, id, operation) = deployed(&world, 1).await;
    operations::cancel(&ada, operation).await.unwrap();
    deployments::change(&ada, id, &DeploymentChange::default()).await.unwrap();
    let revisions = deployments::revisions(&ada, id).await.unwrap();
    assert_eq!(revisions.iter().map(|revision| revision.resumes).collect::<Vec<_>>(), [true, false]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn going_back_to_what_is_wanted_already_is_refused_unless_it_failed_or_is_held(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, ada, id, _) = deployed(&world, 1).await;
    deployments::change(&ada, id, &DeploymentChange { replicas: Some(2), ..DeploymentChange::default() }).await.unwrap();
    deployments::roll_back(&ada, id, &back_to(1)).await.unwrap();
    assert!(deployments::roll_back(&ada, id, &back_to(1)).await.unwrap_err().is(Code::Conflict), "it is under way");
    comes_up(&world).await;
    assert!(deployments::roll_back(&ada, id, &back_to(1)).await.unwrap_err().is(Code::Conflict), "it runs");
    fails(&world).await;
    let again = deployments::roll_back(&ada, id, &back_to(1)).await.unwrap();
    operations::cancel(&ada, again.operation).await.unwrap();
    deployments::roll_back(&ada, id, &back_to(1)).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_failed_before_it_was_applied_leaves_the_revision_before_serving(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, _) = deployed(&world, 1).await;
    applied(&world, id, 1).await;
    pod(&world, &place, id, "iris-1", 1).await;
    comes_up(&world).await;
    deployments::change(&ada, id, &DeploymentChange { replicas: Some(2), ..DeploymentChange::default() }).await.unwrap();
    fails(&world).await;
    let seen = async || {
        let deployment = deployments::get(&ada, id).await.unwrap();
        (deployment.summary.still_serving, deployment.pods[0].revision)
    };
    assert_eq!(seen().await, (Some(StillServing { revision: 1, ready: 1 }), 1), "the replica is as revision 1 made it");
    applied(&world, id, 2).await;
    assert_eq!(seen().await, (None, 2), "revision 2 found it there, and lacks another");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_rollout_counts_the_new_replicas(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, _) = deployed(&world, 2).await;
    pod(&world, &place, id, "iris-1", 1).await;
    pod(&world, &place, id, "iris-2", 1).await;
    comes_up(&world).await;
    deployments::change(&ada, id, &DeploymentChange { release: Some(place.releases[1]), ..DeploymentChange::default() }).await.unwrap();
    let ready = async || deployments::get(&ada, id).await.unwrap().summary.ready_replicas;
    let (claim, subject) = loaded(&world, id).await;
    assert!(record::applied(&world.control, &claim, &subject, &[]).await.is_ok());
    assert_eq!(ready().await, 0, "two earlier ones answer");
    let progress = Progress { wanted: 2, ready: 1, earlier: 2, serving: 3 };
    assert!(record::rolling(&world.control, &claim, &subject, progress, None).await.is_ok());
    assert_eq!(ready().await, 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_somebody_scaled_in_the_cluster_is_said(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, ada, id, _) = deployed(&world, 1).await;
    comes_up(&world).await;
    let (claim, subject) = loaded(&world, id).await;
    let image = ChangedField::set_by("\"kubectl-set\" using apps/v1", ".spec.template.spec.containers[name=\"model\"].image", "Deployment", "iris");
    let gone = ChangedField { manager: None, ..ChangedField::set_by("", ".spec.selector", "Service", "iris") };
    let others = vec![image, gone];
    let says = async |ready, asked, others: &[ChangedField]| {
        let drift = record::Drift { asked, others: others.to_vec() };
        assert!(record::resting(&world.control, &claim, &subject, DeploymentState::Degraded, ready, &drift).await.is_ok());
        deployments::get(&ada, id).await.unwrap().summary.state_message.unwrap()
    };
    assert_eq!(says(2, Some(2), &[]).await, "Somebody set 2 replicas in the cluster; revision 1 wants 1.");
    assert_eq!(says(2, Some(1), &[]).await, "2 replicas answer; 1 wanted");
    assert_eq!(says(0, None, &[]).await, "No replica answers; 1 wanted");
    assert_eq!(says(0, Some(0), &[]).await, "No replica answers. Somebody set 0 replicas in the cluster; revision 1 wants 1.");
    assert_eq!(
        says(1, Some(1), &others).await,
        r#"Somebody changed in the cluster what revision 1 wants: .spec.template.spec.containers[name="model"].image of Deployment iris (set by "kubectl-set" using apps/v1), .spec.selector of Service iris (taken away)."#
    );

    let scaled = async |asked: i32, generation: i64| {
        sqlx::query(
            "insert into observed_deployments (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision, observed_by_controller,
                 asked_replicas, replicas, updated_replicas, ready_replicas, available_replicas)
             values ($1, 'forecasting', 'iris', $2, 'd', '1', 'x', $4, 1, true, $3, 1, 1, 1, 1)
             on conflict (cluster_id, namespace, name) do update set asked_replicas = $3, slipway_generation = $4",
        )
        .bind(place.cluster.0)
        .bind(id.0)
        .bind(asked)
        .bind(generation)
        .execute(&world.control.pool)
        .await
        .unwrap();
        deployments::get(&ada, id).await.unwrap().scaled_to
    };
    assert_eq!([scaled(1, 1).await, scaled(2, 1).await], [None, Some(2)]);
    assert_eq!(scaled(2, 0).await, None, "what is wanted now was not applied yet");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_larger_size_is_measured_against_the_quota(pool: PgPool) {
    let world = World::new(pool).await;
    let (_, _, id, _) = deployed(&world, 2).await;
    let lacks = async |size| store::lacks(&mut world.control.pool.acquire().await.unwrap(), id, size).await.unwrap();
    assert!(lacks(Size::Medium).await.is_empty(), "its own share counts as free");
    assert_eq!(lacks(Size::Large).await[0], "It needs 8 CPU; 4 of 4 CPU are free in this workspace.");
}
