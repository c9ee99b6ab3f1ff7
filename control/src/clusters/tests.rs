use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    cluster::{ClusterQuery, ClusterState, NewCluster},
    ids::{AccountId, ClusterId},
    page::PageQuery,
};
use sqlx::PgPool;

use super::{next, observation, reconcile, setup};
use crate::{Ctx, clusters, reconcile::Claim, testing::World};

async fn account(world: &World) -> AccountId {
    let id = AccountId::generate();
    sqlx::query!("insert into accounts (id, name, external_id, regions) values ($1, 'main', 'x', '{eu-west-1,eu-central-1}')", id.0).execute(&world.control.pool).await.unwrap();
    id
}

async fn cluster(world: &World, account: AccountId, name: &str, mode: Option<&str>) -> ClusterId {
    let id = ClusterId::generate();
    sqlx::query!(
        "insert into clusters (id, name, account_id, region, eks_name, arn, authentication_mode, principal_arn) values ($1, $2, $3, 'eu-west-1', $2, 'arn:aws:eks:eu-west-1:123456789012:cluster/' || $2, $4, 'arn:aws:iam::123456789012:role/slipway')",
        id.0,
        name,
        account.0,
        mode
    )
    .execute(&world.control.pool)
    .await
    .unwrap();
    id
}

async fn admin(world: &World) -> Ctx {
    world.user("admin", Some(PlatformRole::Admin)).await
}

fn new() -> NewCluster {
    NewCluster { account: "main".into(), region: "eu-west-1".into(), eks_name: "lab".into(), name: None }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn every_wrong_field_is_named_before_aws_is_asked(pool: PgPool) {
    let world = World::new(pool).await;
    account(&world).await;
    let admin = admin(&world).await;
    let wrong = NewCluster { account: "</textarea><script>alert(1)</script>".into(), region: "mars".into(), eks_name: "la b".into(), name: Some("Lаb".into()) };
    let rejected = clusters::attach(&admin, &wrong).await.unwrap_err().rejected().unwrap().clone();
    let fields: Vec<&str> = rejected.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!((rejected.code, fields), (Code::InvalidInput, vec!["region", "eks_name", "name", "account"]));

    let elsewhere = NewCluster { region: "us-east-1".into(), ..new() };
    let rejected = clusters::attach(&admin, &elsewhere).await.unwrap_err().rejected().unwrap().clone();
    assert!(rejected.message_for("region").unwrap().contains("eu-west-1, eu-central-1"), "{rejected}");

    let capital = NewCluster { eks_name: "Lab_1".into(), ..new() };
    let rejected = clusters::attach(&admin, &capital).await.unwrap_err().rejected().unwrap().clone();
    assert!(rejected.message_for("name").unwrap().contains("try lab-1"), "nothing is coerced: {rejected}");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_aws_that_cannot_be_reached_attaches_nothing_and_says_so(pool: PgPool) {
    let world = World::new(pool).await;
    account(&world).await;
    let admin = admin(&world).await;
    let rejected = clusters::attach(&admin, &new()).await.unwrap_err().rejected().unwrap().clone();
    assert_eq!(rejected.code, Code::AwsUnavailable);
    assert!(rejected.raw.is_some(), "what was said is kept");
    assert!(clusters::list(&admin, &ClusterQuery::default()).await.unwrap().items.is_empty());
    let found = clusters::found(&admin).await.unwrap();
    assert_eq!((found.clusters.len(), found.unseen.len()), (0, 2), "each region that could not be seen is named");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn clusters_are_the_platforms_business(pool: PgPool) {
    let world = World::new(pool).await;
    let id = cluster(&world, account(&world).await, "lab", Some("API")).await;
    let (auditor, member) = (world.user("auditor", Some(PlatformRole::Auditor)).await, world.user("ada", None).await);
    assert_eq!(clusters::get(&auditor, id).await.unwrap().state, ClusterState::Connecting);
    assert!(clusters::detach(&auditor, id).await.unwrap_err().is(Code::Forbidden));
    assert!(clusters::set_up_access(&auditor, id).await.unwrap_err().is(Code::Forbidden));
    assert!(clusters::found(&auditor).await.unwrap_err().is(Code::Forbidden));
    for error in [
        clusters::get(&member, id).await.unwrap_err(),
        clusters::detach(&member, id).await.unwrap_err(),
        clusters::check(&member, id).await.unwrap_err(),
        clusters::attach(&member, &new()).await.unwrap_err(),
        clusters::access_help(&member, id).await.unwrap_err(),
        clusters::nodes(&member, id, &PageQuery::default()).await.unwrap_err(),
    ] {
        assert!(error.is(Code::NotFound), "{error}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cluster_with_workspaces_stays_attached(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", Some("API")).await;
    let admin = admin(&world).await;
    let team = domain::ids::TeamId::generate();
    sqlx::query!("insert into teams (id, name) values ($1, 'forecasting')", team.0).execute(&pool).await.unwrap();
    let workspace = domain::ids::WorkspaceId::generate();
    let insert =
        sqlx::query!("insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods) values ($1, 'forecasting', $2, $3, 1, 1, 1)", workspace.0, team.0, id.0);
    insert.execute(&pool).await.unwrap();
    let rejected = clusters::detach(&admin, id).await.unwrap_err().rejected().unwrap().clone();
    assert_eq!(rejected.code, Code::InUse);
    assert_eq!(rejected.blockers.iter().map(|blocker| (blocker.name.as_str(), blocker.path.clone())).collect::<Vec<_>>(), [("forecasting", format!("/workspaces/{workspace}"))]);
    sqlx::query!("delete from workspaces").execute(&pool).await.unwrap();
    clusters::detach(&admin.seeing(99), id).await.map(drop).expect_err("it was another version");
    clusters::detach(&admin, id).await.unwrap();
    assert!(clusters::get(&admin, id).await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cluster_is_not_detached_while_a_policy_is_borrowed(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", Some("API")).await;
    let admin = admin(&world).await;
    sqlx::query!("update clusters set admin_policy_borrowed_at = now()").execute(&pool).await.unwrap();
    assert!(clusters::detach(&admin, id).await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn access_is_set_up_once_at_a_time_and_only_where_it_can_be(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let account = account(&world).await;
    let (modern, old, unknown) =
        (cluster(&world, account, "modern", Some("API")).await, cluster(&world, account, "old", Some("CONFIG_MAP")).await, cluster(&world, account, "unknown", None).await);
    let admin = admin(&world).await;
    let started = clusters::set_up_access(&admin, modern).await.unwrap();
    assert_eq!(started.object, modern.0);
    assert!(clusters::set_up_access(&admin, modern).await.unwrap_err().is(Code::Conflict));
    assert!(clusters::set_up_access(&admin, old).await.unwrap_err().is(Code::Conflict));
    assert!(clusters::set_up_access(&admin, unknown).await.unwrap_err().is(Code::Conflict));
    let operation = crate::operations::get(&admin, started.operation).await.unwrap();
    assert_eq!((operation.steps.len(), operation.generation), (5, 2));
    assert!(crate::operations::cancel(&admin, started.operation).await.unwrap_err().is(Code::Conflict), "it has to give back what it borrows");
    assert_eq!(clusters::newest_operation(&admin, modern).await.unwrap().map(|operation| operation.id), Some(started.operation));

    let help = clusters::access_help(&admin, old).await.unwrap();
    assert!(help.access_entry_commands.is_none() && help.aws_auth_lines.is_some() && !help.one_click);
    assert!(clusters::access_help(&admin, unknown).await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_cluster_that_nothing_is_known_of_is_looked_at_and_backed_off_from(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", None).await;
    let admin = admin(&world).await;
    clusters::check(&admin, id).await.unwrap();
    let claims = crate::reconcile::claim(&pool, "worker", 10, crate::reconcile::Times::default()).await.unwrap();
    let [claim] = <[Claim; 1]>::try_from(claims).unwrap();
    let next = reconcile::run(&world.control, &claim).await.unwrap();
    assert!(matches!(next, crate::reconcile::Next::Failed { scope_is_down: false, .. }), "AWS is down, not the cluster: {next:?}");
    let seen = clusters::get(&admin, id).await.unwrap();
    assert_eq!(seen.state, ClusterState::Unreachable);
    assert!(seen.state_message.is_some() && seen.state_raw.is_some(), "{seen:?}");

    // Somebody else claimed it meanwhile: what is seen late is not written.
    sqlx::query!("update reconcile set lease_epoch = lease_epoch + 1").execute(&pool).await.unwrap();
    sqlx::query!("update clusters set state = 'connected', state_message = null").execute(&pool).await.unwrap();
    reconcile::run(&world.control, &claim).await.unwrap();
    assert_eq!(clusters::get(&admin, id).await.unwrap().state, ClusterState::Connected);

    sqlx::query!("delete from clusters").execute(&pool).await.unwrap();
    assert!(matches!(reconcile::run(&world.control, &claim).await.unwrap(), crate::reconcile::Next::Gone));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn lists_search_filter_sort_and_page(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let account = account(&world).await;
    for n in 0..7 {
        cluster(&world, account, &format!("lab-{n}"), None).await;
    }
    sqlx::query!("update clusters set state = 'connected' where name in ('lab-1', 'lab-5')").execute(&pool).await.unwrap();
    let admin = admin(&world).await;
    for sort in ["name", "created_at", "state", "region", "kubernetes_version"] {
        let mut query = ClusterQuery { page: PageQuery { page_size: Some(3), sort: Some(sort.into()), ..PageQuery::default() }, state: None };
        let mut seen = Vec::new();
        loop {
            let page = clusters::list(&admin, &query).await.unwrap();
            seen.extend(page.items.into_iter().map(|cluster| cluster.name));
            match page.next_page_token {
                Some(token) => query.page.page_token = Some(token),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, (0..7).map(|n| format!("lab-{n}")).collect::<Vec<_>>(), "{sort}");
    }
    let names = async |query: ClusterQuery| clusters::list(&admin, &query).await.unwrap().items.into_iter().map(|cluster| cluster.name).collect::<Vec<_>>();
    assert_eq!(names(ClusterQuery { state: Some(ClusterState::Connected), ..ClusterQuery::default() }).await, ["lab-1", "lab-5"]);
    assert_eq!(names(ClusterQuery { page: PageQuery { search: Some("LAB-3".into()), ..PageQuery::default() }, state: None }).await, ["lab-3"]);
    assert!(names(ClusterQuery { page: PageQuery { search: Some("lab_3".into()), ..PageQuery::default() }, state: None }).await.is_empty(), "wildcards are text");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn nodes_page_by_zone_and_count_towards_the_cluster(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", None).await;
    sqlx::query!(
        "insert into observed_nodes (cluster_id, name, zone, ready, schedulable, cpu_millis, memory_mib, gpus, pods, kubelet_version, created_at)
         select $1, 'n' || n, 'zone-' || n % 3, n <> 4, n <> 5, 1000, 2048, n % 2, 10, 'v1.35.4', now() from generate_series(0, 6) n",
        id.0
    )
    .execute(&pool)
    .await
    .unwrap();
    let admin = admin(&world).await;
    let mut query = PageQuery { page_size: Some(2), sort: Some("zone".into()), ..PageQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = clusters::nodes(&admin, id, &query).await.unwrap();
        seen.extend(page.items.into_iter().map(|node| node.name));
        match page.next_page_token {
            Some(token) => query.page_token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen, ["n0", "n3", "n6", "n1", "n4", "n2", "n5"]);
    let seen = clusters::get(&admin, id).await.unwrap();
    assert_eq!((seen.nodes, seen.ready_nodes, seen.zones), (7, 6, 3));
    assert_eq!((seen.capacity.cpu_millis, seen.capacity.gpus, seen.capacity.pods), (5000, 2, 50), "only nodes that take pods count");
    let by_name = clusters::nodes(&admin, id, &PageQuery { page_size: Some(2), ..PageQuery::default() }).await.unwrap().next_page_token;
    let other = PageQuery { page_token: by_name, sort: Some("zone".into()), ..PageQuery::default() };
    assert!(clusters::nodes(&admin, id, &other).await.unwrap_err().is(Code::InvalidInput), "a token is of its own list");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_setup_and_a_look_at_the_same_time_do_not_wait_for_each_other(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", Some("API")).await;
    let admin = admin(&world).await;
    clusters::check(&admin, id).await.unwrap();
    for _ in 0..10 {
        sqlx::query!("update reconcile set lease_until = null, not_before = now()").execute(&pool).await.unwrap();
        let [claim] = <[Claim; 1]>::try_from(crate::reconcile::claim(&pool, "worker", 1, crate::reconcile::Times::default()).await.unwrap()).unwrap();
        sqlx::query!("delete from operations").execute(&pool).await.unwrap();
        let (looked, started) = tokio::join!(reconcile::run(&world.control, &claim), clusters::set_up_access(&admin, id));
        looked.unwrap();
        started.unwrap();
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_step_that_was_decided_before_a_cluster_turned_read_only_is_not_taken(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let id = cluster(&world, account(&world).await, "lab", Some("API")).await;
    let admin = admin(&world).await;
    let started = clusters::set_up_access(&admin, id).await.unwrap();
    let [claim] = <[Claim; 1]>::try_from(crate::reconcile::claim(&pool, "worker", 1, crate::reconcile::Times::default()).await.unwrap()).unwrap();
    let mut conn = admin.write().await.unwrap();
    let looked = observation::look(&mut conn, id, setup::APPLY).await.unwrap().unwrap();
    assert!(reconcile::begin(&world.control, &claim, &looked, setup::APPLY, None).await.unwrap());

    sqlx::query("update clusters set read_only_since = now()").execute(&pool).await.unwrap();
    assert!(!reconcile::begin(&world.control, &claim, &looked, setup::APPLY, Some("too late")).await.unwrap());
    assert!(!observation::note_borrowed(&mut conn, &claim).await.unwrap());
    assert_eq!(sqlx::query_scalar::<_, i64>("select count(*) from clusters where admin_policy_borrowed_at is not null").fetch_one(&pool).await.unwrap(), 0);
    let operation = crate::operations::get(&admin, started.operation).await.unwrap();
    assert!(operation.steps.iter().all(|step| step.detail.is_none()), "{operation:?}");

    // What an admin's decision takes is not the setup's time.
    sqlx::query("update clusters set read_only_since = now() - interval '1 hour'").execute(&pool).await.unwrap();
    sqlx::query("update operations set created_at = now() - interval '1 hour'").execute(&pool).await.unwrap();
    let age = async |conn: &mut sqlx::PgConnection| observation::look(conn, id, setup::APPLY).await.unwrap().unwrap().setup.unwrap().age;
    assert!(age(&mut conn).await < next::SETUP_LIMIT);
    clusters::accept_database(&admin, id).await.unwrap();
    assert!(age(&mut conn).await < next::SETUP_LIMIT);
    assert!(reconcile::begin(&world.control, &claim, &looked, setup::APPLY, None).await.unwrap());
}

#[test]
fn a_role_has_one_name_everywhere() {
    assert_eq!(TeamRole::ALL.map(crate::k8s::impersonate::cluster_role), ["slipway-viewer", "slipway-deployer", "slipway-owner"]);
}
