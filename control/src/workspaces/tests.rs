use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    deployment::NewDeployment,
    ids::WorkspaceId,
    operation::{ChangedField, Failure, ObjectKind, OperationState, Remedy},
    page::PageQuery,
    workspace::{Adopt, NewWorkspace, Quota, WorkspaceChange, WorkspaceQuery, WorkspaceState},
};
use sqlx::PgPool;

use super::{
    fixture::Place,
    next::{Adoption, Intent},
    record, subject,
};
use crate::{
    Actor, deployments,
    inventory::{
        self, Entry,
        cluster::{Put, Shown, When},
    },
    k8s::fields::Held,
    operations,
    reconcile::{self, Halt, Scope, Times},
    testing::World,
    workspaces,
};

const QUOTA: Quota = Quota { cpu_millis: 8000, memory_mib: 16_384, gpus: 0, pods: 20 };

fn new(name: &str) -> NewWorkspace {
    NewWorkspace { name: name.into(), team: "forecasting".into(), cluster: "forecasting-lab".into(), quota: QUOTA, adopt: Adopt::Never }
}

fn to(quota: Quota) -> WorkspaceChange {
    WorkspaceChange { quota: Some(quota), adopt: None }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_admin_makes_one_and_the_team_sees_it(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (viewer, stranger) = (place.member(&world, "vi", TeamRole::Viewer).await, world.user("eve", None).await);
    let started = workspaces::create(&admin, &new("scratch")).await.unwrap();
    let id = WorkspaceId(started.object);
    let seen = workspaces::get(&viewer, id).await.unwrap();
    assert_eq!((seen.name.as_str(), seen.state, seen.quota, seen.used, seen.adopted), ("scratch", WorkspaceState::Preparing, QUOTA, Quota::default(), false));
    assert_eq!(operations::get(&viewer, started.operation).await.unwrap().steps.len(), 3);
    assert!(workspaces::get(&stranger, id).await.unwrap_err().is(Code::NotFound));
    assert!(workspaces::list(&stranger, &WorkspaceQuery::default()).await.unwrap().items.is_empty());
    assert_eq!(workspaces::list(&viewer, &WorkspaceQuery::default()).await.unwrap().items.len(), 2);
    let taken = workspaces::create(&admin, &new("scratch")).await.unwrap_err();
    assert!(taken.is(Code::AlreadyExists) && taken.rejected().unwrap().message_for("name").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_an_admin_changes_one(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (owner, auditor, stranger) = (place.member(&world, "olu", TeamRole::Owner).await, world.user("aud", Some(PlatformRole::Auditor)).await, world.user("eve", None).await);
    assert!(workspaces::create(&owner, &new("mine")).await.unwrap_err().is(Code::NotFound));
    assert!(workspaces::create(&auditor, &new("mine")).await.unwrap_err().is(Code::Forbidden));
    for (ctx, code) in [(&owner, Code::Forbidden), (&auditor, Code::Forbidden), (&stranger, Code::NotFound)] {
        assert!(workspaces::update(ctx, place.workspace, &to(QUOTA)).await.unwrap_err().is(code));
        assert!(workspaces::delete(ctx, place.workspace).await.unwrap_err().is(code));
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn every_wrong_field_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let wrong = NewWorkspace { quota: Quota { cpu_millis: 0, memory_mib: -1, gpus: -1, pods: 0 }, ..new("kube-system") };
    let refused = workspaces::create(&admin, &wrong).await.unwrap_err();
    let fields: Vec<&str> = refused.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "quota.cpu_millis", "quota.memory_mib", "quota.gpus", "quota.pods"]);
    for hostile in ["</textarea><script>alert(1)</script>", "іris", "UPPER", ""] {
        assert!(workspaces::create(&admin, &new(hostile)).await.unwrap_err().rejected().unwrap().message_for("name").is_some(), "{hostile}");
    }
    assert!(workspaces::create(&admin, &NewWorkspace { team: "nobody".into(), ..new("a") }).await.unwrap_err().rejected().unwrap().message_for("team").is_some());
    assert!(workspaces::create(&admin, &NewWorkspace { cluster: "nowhere".into(), ..new("a") }).await.unwrap_err().rejected().unwrap().message_for("cluster").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn one_with_deployments_stays_and_names_them(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (admin, ada) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "ada", TeamRole::Deployer).await);
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: Some(2), environment: Vec::new(), reason: None };
    deployments::create(&ada, &new).await.unwrap();
    let refused = workspaces::delete(&admin, place.workspace).await.unwrap_err();
    assert!(refused.is(Code::InUse));
    assert_eq!(refused.rejected().unwrap().blockers.iter().map(|blocker| blocker.name.as_str()).collect::<Vec<_>>(), ["iris"]);
    let seen = workspaces::get(&admin, place.workspace).await.unwrap();
    assert_eq!(seen.used, Quota { cpu_millis: 1000, memory_mib: 1024, gpus: 0, pods: 2 });
    // Nor can its quota shrink below what they ask for.
    let small = workspaces::update(&admin, place.workspace, &to(Quota { cpu_millis: 500, ..QUOTA })).await.unwrap_err();
    assert!(small.rejected().unwrap().message_for("quota.cpu_millis").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_empty_one_is_on_its_way_out(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (admin, ada) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "ada", TeamRole::Deployer).await);
    assert!(workspaces::delete(&admin.seeing(9), place.workspace).await.unwrap_err().is(Code::PreconditionFailed));
    workspaces::delete(&admin, place.workspace).await.unwrap();
    assert_eq!(workspaces::get(&ada, place.workspace).await.unwrap().state, WorkspaceState::Deleting);
    assert!(workspaces::update(&admin, place.workspace, &to(QUOTA)).await.unwrap_err().is(Code::Conflict));
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    assert!(deployments::create(&ada, &new).await.unwrap_err().is(Code::Conflict), "nothing new goes into it");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_late_step_does_not_write_over_what_is_wanted_now(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (admin, ada) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "ada", TeamRole::Deployer).await);
    workspaces::update(&admin, place.workspace, &to(QUOTA)).await.unwrap();
    let claim = reconcile::claim(&world.control.pool, "late", 1, Times::default()).await.unwrap().remove(0);
    let late = subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    workspaces::delete(&admin, place.workspace).await.unwrap();
    assert!(matches!(record::whole(&world.control, &claim, &late, &[], When::Always).await, Err(Halt::Lost)));
    assert_eq!(workspaces::get(&admin, place.workspace).await.unwrap().state, WorkspaceState::Deleting);
    // Whatever its state says, it is on its way out.
    sqlx::query("update workspaces set state = 'ready'").execute(&world.control.pool).await.unwrap();
    assert!(workspaces::update(&admin, place.workspace, &to(QUOTA)).await.unwrap_err().is(Code::Conflict));
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    assert!(deployments::create(&ada, &new).await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_deletion_that_fails_leaves_a_workspace_to_deploy_into(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (admin, ada) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "ada", TeamRole::Deployer).await);
    let claimed = async || reconcile::claim(&world.control.pool, "worker", 1, Times::default()).await.unwrap().remove(0);
    let loaded = async || subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    let failure = Failure { code: "namespace_in_use".into(), cause: "There is a Job.".into(), next: "Delete it.".into(), raw: None, remedy: None };

    let first = workspaces::delete(&admin, place.workspace).await.unwrap();
    let (claim, late) = (claimed().await, loaded().await);
    let second = workspaces::delete(&admin, place.workspace).await.unwrap();
    assert!(matches!(record::failed(&world.control, &claim, &late, &failure).await, Err(Halt::Lost)), "somebody wants it gone again");
    assert_eq!(workspaces::get(&admin, place.workspace).await.unwrap().state, WorkspaceState::Deleting);

    record::failed(&world.control, &claim, &loaded().await, &failure).await.unwrap_or_else(|_| panic!("the second deletion is what is wanted"));
    assert_eq!(workspaces::get(&admin, place.workspace).await.unwrap().state, WorkspaceState::Preparing);
    let kept = loaded().await;
    assert_eq!((kept.desired.intent, kept.operation.map(|running| running.verb)), (Intent::Keep, Some("keep".into())), "everything is written again");
    let due = sqlx::query_scalar!("select generation from reconcile where object_id = $1", place.workspace.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(due, kept.blueprint.generation);
    let ended = async |id| operations::get(&admin, id).await.unwrap().state;
    assert_eq!((ended(first.operation).await, ended(second.operation).await), (OperationState::Superseded, OperationState::Failed));
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    deployments::create(&ada, &new).await.unwrap();
    workspaces::update(&admin, place.workspace, &to(QUOTA)).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_deletion_can_be_called_off(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (admin, ada) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "ada", TeamRole::Owner).await);
    assert!(workspaces::keep(&admin, place.workspace).await.unwrap_err().is(Code::Conflict), "nobody deletes it");
    let deletion = workspaces::delete(&admin, place.workspace).await.unwrap();
    let claim = reconcile::claim(&world.control.pool, "worker", 1, Times::default()).await.unwrap().remove(0);
    let late = subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    assert!(workspaces::keep(&ada, place.workspace).await.unwrap_err().is(Code::Forbidden), "who may not delete may not call it off");

    let kept = workspaces::keep(&admin, place.workspace).await.unwrap();
    let ended = operations::get(&admin, deletion.operation).await.unwrap().state;
    assert_eq!(ended, OperationState::Superseded);
    assert!(matches!(record::gone(&world.control, &claim, &late).await, Err(Halt::Lost)), "the step that was on its way does not end it");
    let now = subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    assert_eq!((now.desired.intent, now.operation.map(|running| running.id)), (Intent::Keep, Some(kept.operation)), "everything is written again");
    let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
    deployments::create(&ada, &new).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_repair_sets_back_what_a_person_was_shown_and_nothing_later_does(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let (admin, owner) = (world.user("admin", Some(PlatformRole::Admin)).await, place.member(&world, "olu", TeamRole::Owner).await);
    let owned = |manager: &str| ChangedField::set_by(manager, ".spec.hard.pods", "ResourceQuota", "slipway");
    let entry = Entry::new("ResourceQuota", "forecasting", "slipway");
    {
        let mut conn = pool.acquire().await.unwrap();
        inventory::intend(&mut conn, place.workspace.0, std::slice::from_ref(&entry)).await.unwrap();
        let put = Put { held: Held { others: vec![owned("kubectl")], ..Held::default() }, ..Put::of(entry) };
        inventory::found(&mut conn, place.workspace.0, &[put]).await.unwrap();
    }
    let seen = workspaces::get(&admin, place.workspace).await.unwrap().others;
    assert_eq!(seen, [owned("kubectl")]);
    let listed = workspaces::list(&owner, &WorkspaceQuery::default()).await.unwrap();
    assert_eq!(listed.items[0].others, seen);
    let takes = async || subject::load(&world.control, place.workspace).await.unwrap().unwrap().takes_over;
    assert!(workspaces::repair(&owner, place.workspace).await.unwrap_err().is(Code::Forbidden));

    // Nobody was shown anything on a page.
    workspaces::repair(&admin.acting_as(Actor::system("cli")), place.workspace).await.unwrap();
    assert!(takes().await.is_empty());
    let started = workspaces::repair(&admin, place.workspace).await.unwrap();
    assert_eq!(takes().await, [Shown::from(&owned("kubectl"))]);
    let changes: serde_json::Value =
        sqlx::query_scalar("select changes from audit_events where action = 'workspace.repair' and outcome = 'accepted' order by id desc limit 1").fetch_one(&pool).await.unwrap();
    assert_eq!(changes, serde_json::json!([{"field": "take_over", "after": [".spec.hard.pods of ResourceQuota slipway, set by kubectl"]}]));

    // What it fails over is shown, too.
    let claim = reconcile::claim(&pool, "worker", 1, Times::default()).await.unwrap().remove(0);
    let late = subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    let failure = Failure {
        code: "changed_by_others".into(),
        cause: "Others manage some of these fields.".into(),
        next: "Press Repair.".into(),
        raw: None,
        remedy: Some(Remedy::take_over(vec![owned("kubectl"), owned("helm")])),
    };
    record::failed(&world.control, &claim, &late, &failure).await.unwrap_or_else(|_| panic!("it is what is wanted"));
    assert_eq!(operations::get(&admin, started.operation).await.unwrap().state, OperationState::Failed);
    workspaces::repair(&admin, place.workspace).await.unwrap();
    assert_eq!(takes().await, [Shown::from(&owned("kubectl")), Shown::from(&owned("helm"))]);
    workspaces::update(&admin, place.workspace, &to(QUOTA)).await.unwrap();
    assert!(takes().await.is_empty(), "a change of the quota takes nothing over");
    workspaces::repair(&admin, place.workspace).await.unwrap();
    workspaces::raise(&mut pool.acquire().await.unwrap(), &admin, place.workspace, 1000).await.unwrap();
    assert!(takes().await.is_empty(), "nor does what an older database wants again");
    workspaces::delete(&admin, place.workspace).await.unwrap();
    assert!(workspaces::repair(&admin, place.workspace).await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_look_that_comes_to_nothing_is_said_until_one_succeeds(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    sqlx::query("update workspaces set state = 'ready'").execute(&pool).await.unwrap();
    reconcile::mark(&mut pool.acquire().await.unwrap(), place.workspace.0, ObjectKind::Workspace, Scope::None, 1).await.unwrap();
    let claimed = async || reconcile::claim(&pool, "worker", 1, Times::default()).await.unwrap().remove(0);
    let loaded = async || subject::load(&world.control, place.workspace).await.unwrap().unwrap();
    let stands = async || {
        let seen = workspaces::get(&admin, place.workspace).await.unwrap();
        (seen.state, seen.state_message)
    };
    let failure = Failure { code: "cluster_denied".into(), cause: "The cluster does not allow this.".into(), next: "Look.".into(), raw: None, remedy: None };
    let claim = claimed().await;
    record::failed(&world.control, &claim, &loaded().await, &failure).await.unwrap_or_else(|_| panic!("it is what is wanted"));
    assert_eq!(stands().await, (WorkspaceState::Ready, Some("The cluster does not allow this.".into())));
    record::whole(&world.control, &claim, &loaded().await, &[], When::Missing).await.unwrap_or_else(|_| panic!("it is what is wanted"));
    assert_eq!(stands().await, (WorkspaceState::Ready, None));
    sqlx::query("update workspaces set state = 'failed', state_message = 'why'").execute(&pool).await.unwrap();
    record::failed(&world.control, &claim, &loaded().await, &failure).await.unwrap_or_else(|_| panic!("it is what is wanted"));
    assert_eq!(stands().await, (WorkspaceState::Failed, Some("why".into())), "what failed keeps saying why");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn one_that_failed_over_a_namespace_may_take_it_over_later(pool: PgPool) {
    let world = World::new(pool).await;
    Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let takes = |adopt| WorkspaceChange { quota: None, adopt: Some(adopt) };
    let id = WorkspaceId(workspaces::create(&admin, &new("theirs")).await.unwrap().object);
    let adoption = async || subject::load(&world.control, id).await.unwrap().unwrap().desired.adoption;
    assert_eq!(adoption().await, Adoption::Refused);
    let started = workspaces::update(&admin, id, &takes(Adopt::Existing)).await.unwrap();
    let (verb, quota) = (operations::get(&admin, started.operation).await.unwrap().verb, workspaces::get(&admin, id).await.unwrap().quota);
    assert_eq!((verb.as_str(), quota), ("take over", QUOTA));
    assert_eq!(adoption().await, Adoption::Allowed);
    let changes: String =
        sqlx::query_scalar("select changes::text from audit_events where object_id = $1 and action = 'workspace.update'").bind(id.0).fetch_one(&world.control.pool).await.unwrap();
    assert!(changes.contains("adopt") && changes.contains("existing") && !changes.contains("quota"), "{changes}");

    workspaces::update(&admin, id, &to(QUOTA)).await.unwrap();
    assert_eq!(adoption().await, Adoption::Allowed, "what is left out stays");
    workspaces::update(&admin, id, &takes(Adopt::Never)).await.unwrap();
    assert_eq!(adoption().await, Adoption::Refused);
    sqlx::query("update workspaces set adopted = true where id = $1").bind(id.0).execute(&world.control.pool).await.unwrap();
    let late = workspaces::update(&admin, id, &takes(Adopt::Never)).await.unwrap_err();
    assert!(late.rejected().unwrap().message_for("adopt").is_some(), "it was taken over already");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_follow_each_other_without_gaps(pool: PgPool) {
    let world = World::new(pool).await;
    Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    for n in 0..6 {
        workspaces::create(&admin, &new(&format!("w-{n}"))).await.unwrap();
    }
    for sort in ["name", "created_at"] {
        let page = PageQuery { page_size: Some(3), sort: Some(sort.into()), ..PageQuery::default() };
        let mut query = WorkspaceQuery { page, cluster: Some("forecasting-lab".into()), ..WorkspaceQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = workspaces::list(&admin, &query).await.unwrap();
            seen.extend(page.items.into_iter().map(|row| row.name));
            match page.next_page_token {
                Some(token) => query.page.page_token = Some(token),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["forecasting", "w-0", "w-1", "w-2", "w-3", "w-4", "w-5"], "{sort}");
    }
    let none = WorkspaceQuery { team: Some("growth".into()), ..WorkspaceQuery::default() };
    assert!(workspaces::list(&admin, &none).await.unwrap_err().is(Code::InvalidInput));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn those_that_need_a_look_are_listed_alone(pool: PgPool) {
    let world = World::new(pool).await;
    Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let mut ids = Vec::new();
    for name in ["changed", "failed", "not-looked-at", "prepared", "whole", "on-its-way-out"] {
        ids.push(workspaces::create(&admin, &new(name)).await.unwrap().object);
    }
    let pool = &world.control.pool;
    sqlx::query("update workspaces set state = 'ready' where id = any($1)").bind(&ids).execute(pool).await.unwrap();
    sqlx::query(
        "insert into inventory (object_id, kind, namespace, name, generation, others) values ($1, 'ResourceQuota', 'changed', 'slipway', 1, '[{\"field\": \".spec.hard.pods\"}]')",
    )
    .bind(ids[0])
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("update workspaces set state = 'failed', state_message = 'It is full.' where id = $1").bind(ids[1]).execute(pool).await.unwrap();
    sqlx::query("update workspaces set state_message = 'Slipway may not look.' where id = $1").bind(ids[2]).execute(pool).await.unwrap();
    // Everything that was made has rows there.
    sqlx::query("insert into inventory (object_id, kind, namespace, name, generation) values ($1, 'ResourceQuota', 'whole', 'slipway', 1)")
        .bind(ids[4])
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("update workspaces set state = 'deleting', state_message = 'Waits for its cluster.' where id = $1").bind(ids[5]).execute(pool).await.unwrap();
    sqlx::query("update workspaces set state = 'preparing', state_message = 'Waits for its cluster.' where id = $1").bind(ids[3]).execute(pool).await.unwrap();
    for (needs_a_look, names) in [(Some(true), &["changed", "failed", "not-looked-at"][..]), (Some(false), &["forecasting", "on-its-way-out", "prepared", "whole"])] {
        let mut query = WorkspaceQuery { page: PageQuery { page_size: Some(2), ..PageQuery::default() }, needs_a_look, ..WorkspaceQuery::default() };
        let first = workspaces::list(&admin, &query).await.unwrap();
        query.page.page_token = first.next_page_token;
        let rest = workspaces::list(&admin, &query).await.unwrap();
        assert!(rest.next_page_token.is_none());
        let found = [first.items, rest.items].concat();
        assert!(found.iter().all(|workspace| Some(workspace.needs_a_look()) == needs_a_look), "the database and the code agree");
        assert_eq!(found.iter().map(|workspace| workspace.name.as_str()).collect::<Vec<_>>(), names);
    }
}
