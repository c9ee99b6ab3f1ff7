use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    deployment::{DeploymentState, NewDeployment},
    ids::{ClusterId, DeploymentId, OperationId},
    operation::{ObjectKind, OperationState},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{Control, Ctx, clusters, deployments, operations, reconcile, testing::World, workspaces, workspaces::fixture::Place};

/// One look at everything that is due.
async fn look(control: &Control) {
    for claim in reconcile::claim(&control.pool, "test", 20, control.settings.times).await.unwrap() {
        let next = match claim.kind {
            ObjectKind::Deployment => deployments::reconcile::run(control, &claim).await.unwrap(),
            ObjectKind::Workspace => workspaces::reconcile::run(control, &claim).await.unwrap(),
            other => panic!("nothing here is a {other:?}"),
        };
        reconcile::settle(&control.pool, &claim, &next, control.settings.times).await.unwrap();
    }
}

async fn deploy(ctx: &Ctx, place: &Place, name: &str) -> (DeploymentId, OperationId) {
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: Some(name.into()), size: None, replicas: None, environment: Vec::new(), reason: None };
    let started = deployments::create(ctx, &new).await.unwrap();
    (DeploymentId(started.object), started.operation)
}

/// What the watch saw: a Deployment of this generation, by this installation.
async fn seen(world: &World, cluster: ClusterId, id: DeploymentId, name: &str, generation: i64, installation: Uuid) {
    sqlx::query!(
        "insert into observed_deployments (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision, observed_by_controller, replicas,
                                           updated_replicas, ready_replicas, available_replicas)
         values ($1, 'forecasting', $2, $3, 'uid', '1', $4, $5, 1, true, 1, 1, 1, 1)",
        cluster.0,
        name,
        id.0,
        installation.to_string(),
        generation
    )
    .execute(&world.control.pool)
    .await
    .unwrap();
    for kind in ["deployments", "pods"] {
        sqlx::query!("insert into observed_sync (cluster_id, kind, synced_at, lease_epoch) values ($1, $2, now(), 1) on conflict (cluster_id, kind) do nothing", cluster.0, kind)
            .execute(&world.control.pool)
            .await
            .unwrap();
    }
}

async fn generation(world: &World, id: DeploymentId) -> i64 {
    sqlx::query_scalar!("select generation from deployments where id = $1", id.0).fetch_one(&world.control.pool).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_newer_cluster_is_left_as_it_is_until_an_admin_has_decided(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Owner).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (ahead, rollout) = deploy(&ada, &place, "ahead").await;
    let (other, waiting) = deploy(&ada, &place, "other").await;
    assert!(clusters::accept_database(&admin, place.cluster).await.unwrap_err().is(Code::Conflict), "there is nothing to decide");
    seen(&world, place.cluster, ahead, "ahead", 7, world.control.installation).await;
    look(&world.control).await;
    look(&world.control).await;

    let cluster = clusters::get(&admin, place.cluster).await.unwrap();
    assert!(cluster.read_only_since.is_some());
    let newer = clusters::newer(&admin, place.cluster).await.unwrap();
    assert_eq!(newer.iter().map(|thing| (thing.name.as_str(), thing.workspace.as_str(), thing.ours, thing.there)).collect::<Vec<_>>(), [("ahead", "forecasting", 1, 7)]);
    for (id, operation) in [(ahead, rollout), (other, waiting)] {
        let operation = operations::get(&ada, operation).await.unwrap();
        let said = operation.steps.iter().find_map(|step| step.detail.clone()).unwrap_or_default();
        assert!(operation.state == OperationState::Running && said.contains("until a platform admin has decided"), "{operation:?}");
        assert!(deployments::get(&ada, id).await.unwrap().read_only.is_some());
    }
    let written = sqlx::query_scalar!(r#"select count(*) as "n!" from inventory"#).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(written, 0, "nothing was applied anywhere on the cluster");
    let deletion = deployments::delete(&ada, other).await.unwrap();
    look(&world.control).await;
    assert_eq!(operations::get(&ada, deletion.operation).await.unwrap().state, OperationState::Running, "nothing is pruned");
    assert!(clusters::set_up_access(&admin, place.cluster).await.unwrap_err().is(Code::Conflict));

    for nobody in [&ada, &world.user("auditor", Some(PlatformRole::Auditor)).await] {
        assert!(clusters::accept_database(nobody, place.cluster).await.is_err());
    }
    assert!(clusters::accept_database(&admin.seeing(cluster.version - 1), place.cluster).await.unwrap_err().is(Code::PreconditionFailed));
    let accepted = clusters::accept_database(&admin.seeing(cluster.version), place.cluster).await.unwrap();
    assert_eq!(accepted.read_only_since, None);
    assert!(clusters::newer(&admin, place.cluster).await.unwrap().is_empty());
    assert_eq!(generation(&world, ahead).await, 8, "above what the cluster holds");
    assert_eq!(operations::get(&ada, rollout).await.unwrap().generation, 8, "what ran goes on");
    look(&world.control).await;
    assert_eq!(clusters::get(&admin, place.cluster).await.unwrap().read_only_since, None, "it is not behind any more");
    let record =
        sqlx::query!(r#"select action, actor_name, changes from audit_events where object_id = $1 order by id"#, place.cluster.0).fetch_all(&world.control.pool).await.unwrap();
    let actions: Vec<(&str, &str)> = record.iter().map(|event| (event.action.as_str(), event.actor_name.as_str())).collect();
    assert_eq!(actions, [("cluster.read_only", "slipway"), ("cluster.accept_database", "admin")]);
    assert!(record[1].changes.to_string().contains("deployment ahead from 1 over 7"), "{}", record[1].changes);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_was_whole_is_applied_again_and_what_was_not_is_left(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Owner).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (live, _) = deploy(&ada, &place, "live").await;
    let (failed, _) = deploy(&ada, &place, "failed").await;
    sqlx::query!("update operations set state = 'succeeded', finished_at = now()").execute(&world.control.pool).await.unwrap();
    sqlx::query!("update deployments set live_revision = 1, state = 'live' where id = $1", live.0).execute(&world.control.pool).await.unwrap();
    sqlx::query!("update deployments set state = 'failed' where id = $1", failed.0).execute(&world.control.pool).await.unwrap();
    for (kind, id) in [(ObjectKind::Deployment, live.0), (ObjectKind::Deployment, failed.0), (ObjectKind::Workspace, place.workspace.0)] {
        clusters::found_newer(&world.control, place.cluster, (kind, id), 5).await.unwrap();
    }
    clusters::accept_database(&admin, place.cluster).await.unwrap();
    let running = sqlx::query!(r#"select object_name, cluster_name, verb, generation, actor_name from operations where state = 'running' order by object_name"#)
        .fetch_all(&world.control.pool)
        .await
        .unwrap();
    let running: Vec<(&str, Option<&str>, &str, i64, &str)> =
        running.iter().map(|row| (row.object_name.as_str(), row.cluster_name.as_deref(), row.verb.as_str(), row.generation, row.actor_name.as_str())).collect();
    assert_eq!(running, [("forecasting", Some("forecasting-lab"), "apply again", 6, "slipway"), ("live", Some("forecasting-lab"), "apply again", 6, "slipway")]);
    // Each of them is on the record as begun, by whoever accepted.
    let begun: Vec<(String, String, String, Option<String>)> =
        sqlx::query_as("select object_name, action, actor_name, reason from audit_events where outcome = 'accepted' and action like '%apply_again' order by object_name")
            .fetch_all(&world.control.pool)
            .await
            .unwrap();
    let begun: Vec<(&str, &str, &str, Option<&str>)> =
        begun.iter().map(|(name, action, actor, reason)| (name.as_str(), action.as_str(), actor.as_str(), reason.as_deref())).collect();
    let why = Some("a database older than the cluster was accepted");
    assert_eq!(begun, [("forecasting", "workspace.apply_again", "admin", why), ("live", "deployment.apply_again", "admin", why)]);
    assert_eq!(generation(&world, failed).await, 6);
    assert_eq!(deployments::get(&ada, failed).await.unwrap().summary.state, DeploymentState::Failed);
    // A look from before the decision decides nothing any more.
    clusters::found_newer(&world.control, place.cluster, (ObjectKind::Deployment, live.0), 5).await.unwrap();
    assert_eq!(clusters::get(&admin, place.cluster).await.unwrap().read_only_since, None);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn another_installations_objects_say_nothing_about_ours(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Owner).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (id, _) = deploy(&ada, &place, "iris").await;
    seen(&world, place.cluster, id, "iris", 7, Uuid::from_u128(9)).await;
    look(&world.control).await;
    assert_eq!(clusters::get(&admin, place.cluster).await.unwrap().read_only_since, None);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_generation_that_no_database_gave_out_decides_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Owner).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (id, _) = deploy(&ada, &place, "iris").await;
    seen(&world, place.cluster, id, "iris", i64::MAX, world.control.installation).await;
    look(&world.control).await;
    assert_eq!(clusters::get(&admin, place.cluster).await.unwrap().read_only_since, None);
    // Even one that was noted can be decided about, and leaves room for what comes after.
    clusters::found_newer(&world.control, place.cluster, (ObjectKind::Deployment, id.0), i64::MAX).await.unwrap();
    clusters::accept_database(&admin, place.cluster).await.unwrap();
    assert!(generation(&world, id).await < i64::MAX / 2);
}
