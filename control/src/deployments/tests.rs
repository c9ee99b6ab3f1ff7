use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    deployment::{DeploymentChange, DeploymentCounts, DeploymentQuery, DeploymentState, Finding, FindingTone, NewDeployment, Rollback, States, StillServing, Variable},
    ids::{DeploymentId, OperationId},
    operation::OperationState,
    page::{Direction, PageQuery},
    size::Size,
};
use sqlx::PgPool;

use crate::{Ctx, OrReplay as _, deployments, operations, testing::World, workspaces::fixture::Place};

const HOSTILE: &str = "</textarea><script>alert(1)</script>";

fn new(place: &Place) -> NewDeployment {
    NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None }
}

async fn deploy(ctx: &Ctx, new: &NewDeployment) -> (DeploymentId, OperationId) {
    let started = deployments::create(ctx, new).await.unwrap();
    (DeploymentId(started.object), started.operation)
}

fn to(replicas: i32) -> DeploymentChange {
    DeploymentChange { replicas: Some(replicas), ..DeploymentChange::default() }
}

fn back_to(revision: i32) -> Rollback {
    Rollback { revision, reason: None }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_deployer_deploys_and_everyone_of_the_team_sees_it(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (ada, viewer) = (place.member(&world, "ada", TeamRole::Deployer).await, place.member(&world, "vi", TeamRole::Viewer).await);
    let (id, operation) = deploy(&ada, &NewDeployment { replicas: Some(2), environment: vec![Variable { name: "TEXT".into(), value: HOSTILE.into() }], ..new(&place) }).await;

    let seen = deployments::get(&viewer, id).await.unwrap();
    assert_eq!((seen.summary.name.as_str(), seen.summary.state, seen.summary.replicas, seen.summary.size), ("iris", DeploymentState::Pending, 2, Size::Small));
    assert_eq!(seen.environment[0].value, HOSTILE);
    assert_eq!(seen.operation, Some(operation));
    assert!(seen.image.contains("@sha256:"), "{}", seen.image);
    assert_eq!(operations::get(&viewer, operation).await.unwrap().steps.len(), deployments::ROLL_OUT.len());
    let due = sqlx::query_scalar!("select generation from reconcile where object_id = $1", id.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!(due, 1);
    assert!(deployments::create(&viewer, &new(&place)).await.unwrap_err().is(Code::Forbidden));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_is_not_yours_does_not_exist(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, other) = (Place::new(&world).await, Place::named(&world, "growth").await);
    let ada = place.member(&world, "ada", TeamRole::Owner).await;
    let eve = other.member(&world, "eve", TeamRole::Owner).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (id, operation) = deploy(&ada, &new(&place)).await;
    assert!(deployments::get(&eve, id).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::revisions(&eve, id).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::change(&eve, id, &to(3)).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::roll_back(&eve, id, &back_to(1)).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::delete(&eve, id).await.unwrap_err().is(Code::NotFound));
    assert!(operations::cancel(&eve, operation).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::create(&eve, &NewDeployment { workspace: other.workspace, ..new(&place) }).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::create(&eve, &NewDeployment { release: other.releases[0], ..new(&place) }).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::preview(&eve, &new(&place)).await.unwrap_err().is(Code::NotFound));
    assert!(deployments::list(&eve, &DeploymentQuery::default()).await.unwrap().items.is_empty());
    // An admin sees everything, and deploys only as a member.
    assert_eq!(deployments::list(&admin, &DeploymentQuery::default()).await.unwrap().items.len(), 1);
    assert!(deployments::create(&admin, &new(&place)).await.unwrap_err().is(Code::Forbidden));
    assert!(deployments::list(&world.nobody(), &DeploymentQuery::default()).await.unwrap_err().is(Code::Unauthenticated));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_workspace_of_another_team_of_mine_is_the_wrong_field(pool: PgPool) {
    let world = World::new(pool).await;
    let (place, other) = (Place::new(&world).await, Place::named(&world, "growth").await);
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    other.join(&world, &ada, TeamRole::Deployer).await;
    let refused = deployments::create(&ada, &NewDeployment { workspace: other.workspace, ..new(&place) }).await.unwrap_err();
    assert!(refused.rejected().unwrap().message_for("workspace").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn every_wrong_field_is_named_and_nothing_is_made(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let wrong = NewDeployment {
        name: Some("іris".into()),
        replicas: Some(0),
        environment: vec![Variable { name: "1".into(), value: String::new() }],
        reason: Some("a\u{202e}b".into()),
        ..new(&place)
    };
    let refused = deployments::create(&ada, &wrong).await.unwrap_err();
    let fields: Vec<&str> = refused.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "replicas", "environment.0.name", "reason"]);
    assert!(deployments::list(&ada, &DeploymentQuery::default()).await.unwrap().items.is_empty());

    deploy(&ada, &new(&place)).await;
    let taken = deployments::create(&ada, &new(&place)).await.unwrap_err();
    assert!(taken.is(Code::AlreadyExists) && taken.rejected().unwrap().message_for("name").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_quota_holds_over_all_deployments(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    // The quota is 4 CPU; a medium replica asks for 2.
    let one = NewDeployment { size: Some(Size::Medium), ..new(&place) };
    let (id, _) = deploy(&ada, &one).await;
    let two = NewDeployment { name: Some("second".into()), replicas: Some(2), ..one.clone() };
    let refused = deployments::create(&ada, &two).await.unwrap_err();
    assert!(refused.is(Code::QuotaExceeded), "{refused}");
    assert!(refused.rejected().unwrap().message.contains("It needs 4 CPU; 2 of 4 CPU are free in this workspace."), "{refused}");
    deploy(&ada, &NewDeployment { replicas: Some(1), ..two }).await;
    // A change counts itself once.
    assert!(deployments::change(&ada, id, &to(2)).await.unwrap_err().is(Code::QuotaExceeded));
    deployments::change(&ada, id, &DeploymentChange { size: Some(Size::Small), ..to(4) }).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_is_a_new_revision_and_supersedes_what_runs(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let (id, first) = deploy(&ada, &new(&place)).await;
    let change = DeploymentChange { release: Some(place.releases[1]), reason: Some("better on petals".into()), ..to(2) };
    let second = deployments::change(&ada, id, &change).await.unwrap();
    assert_eq!(operations::get(&ada, first).await.unwrap().state, OperationState::Superseded);
    assert_eq!(operations::get(&ada, second.operation).await.unwrap().generation, 2);
    let revisions = deployments::revisions(&ada, id).await.unwrap();
    assert_eq!(revisions[0].changes, ["release iris 1 → iris 2", "replicas 1 → 2"]);
    assert_eq!(revisions[0].reason.as_deref(), Some("better on petals"));
    assert!(revisions[1].changes.is_empty());
    assert!(deployments::change(&ada, id, &DeploymentChange::default()).await.unwrap_err().is(Code::Conflict), "it is under way");
    assert!(deployments::change(&ada.seeing(1), id, &to(1)).await.unwrap_err().is(Code::PreconditionFailed));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_is_looked_at_before_it_is_made(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (ada, viewer) = (place.member(&world, "ada", TeamRole::Deployer).await, place.member(&world, "vi", TeamRole::Viewer).await);
    let (id, _) = deploy(&ada, &new(&place)).await;
    let change = DeploymentChange { release: Some(place.releases[1]), ..to(3) };
    let preview = deployments::preview_change(&ada, id, &change).await.unwrap();
    assert_eq!(preview.changes, ["release iris 1 → iris 2", "replicas 1 → 3"]);
    assert!(preview.manifests.contains(&format!("sha256:{}", "2".repeat(64))) && preview.manifests.contains("replicas: 3"), "{}", preview.manifests);
    // Its own replica does not stand in its way.
    let tight = deployments::preview_change(&ada, id, &DeploymentChange { size: Some(Size::Medium), ..to(2) }).await.unwrap();
    assert!(!tight.findings.iter().any(|finding| finding.title.contains("does not leave room")), "{:?}", tight.findings);
    let over = deployments::preview_change(&ada, id, &DeploymentChange { size: Some(Size::Medium), ..to(3) }).await.unwrap();
    assert!(over.findings.iter().any(|finding| finding.tone == FindingTone::Bad && finding.title.contains("does not leave room")), "{:?}", over.findings);
    assert!(deployments::preview_change(&ada, id, &to(0)).await.unwrap_err().rejected().unwrap().message_for("replicas").is_some());
    assert!(deployments::preview_change(&viewer, id, &change).await.unwrap_err().is(Code::Forbidden));
    assert_eq!(deployments::revisions(&ada, id).await.unwrap().len(), 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_earlier_revision_that_still_serves_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let (id, _) = deploy(&ada, &new(&place)).await;
    deployments::change(&ada, id, &DeploymentChange { release: Some(place.releases[1]), ..DeploymentChange::default() }).await.unwrap();
    sqlx::query!("update deployments set live_revision = 1, state = 'failed' where id = $1", id.0).execute(&world.control.pool).await.unwrap();
    let pod = async |name: &str, revision: i32, ready: bool| {
        sqlx::query!(
            "insert into observed_pods (cluster_id, namespace, name, uid, deployment_id, revision, phase, ready, terminating, restarts, created_at)
             values ($1, 'forecasting', $2, $2, $3, $4, 'Running', $5, false, 0, now())",
            place.cluster.0,
            name,
            id.0,
            revision,
            ready
        )
        .execute(&world.control.pool)
        .await
        .unwrap();
    };
    pod("new", 2, false).await;
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.still_serving, None, "nobody answers");
    pod("old", 1, true).await;
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.still_serving, Some(StillServing { revision: 1, ready: 1 }));
    let told_to_end = async |ends: bool| {
        sqlx::query!("update observed_pods set terminating = $1 where name = 'old'", ends).execute(&world.control.pool).await.unwrap();
    };
    told_to_end(true).await;
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.still_serving, None, "what is told to end answers nobody for long");
    told_to_end(false).await;
    pod("newer", 2, true).await;
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.still_serving, None, "the wanted one answers");
    // Going back wants the very replicas that answer.
    deployments::roll_back(&ada, id, &back_to(1)).await.unwrap();
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.still_serving, None);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn rolling_back_makes_a_revision_and_finds_the_pods_that_run(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let (id, _) = deploy(&ada, &new(&place)).await;
    deployments::change(&ada, id, &to(2)).await.unwrap();
    deployments::change(&ada, id, &DeploymentChange { release: Some(place.releases[1]), ..DeploymentChange::default() }).await.unwrap();
    deployments::roll_back(&ada, id, &back_to(2)).await.unwrap();
    let revisions = deployments::revisions(&ada, id).await.unwrap();
    assert_eq!((revisions[0].number, revisions[0].rolled_back_to, revisions[0].release_number, revisions[0].replicas), (4, Some(2), 1, 2));
    let mut conn = world.control.pool.acquire().await.unwrap();
    let mut templates = Vec::new();
    for revision in 1..=4 {
        templates.push(deployments::store::template_revision(&mut conn, id, revision).await.unwrap());
    }
    assert_eq!(templates, [1, 1, 3, 1], "scaling and going back leave pods alone");
    for impossible in [4, 9] {
        let refused = deployments::roll_back(&ada, id, &back_to(impossible)).await.unwrap_err();
        assert!(refused.rejected().unwrap().message_for("revision").is_some(), "{impossible}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_an_owner_deletes_and_only_once(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let (ada, owner) = (place.member(&world, "ada", TeamRole::Deployer).await, place.member(&world, "olu", TeamRole::Owner).await);
    let (id, rollout) = deploy(&ada, &new(&place)).await;
    assert!(deployments::delete(&ada, id).await.unwrap_err().is(Code::Forbidden));
    let deletion = deployments::delete(&owner, id).await.unwrap();
    assert_eq!(operations::get(&ada, rollout).await.unwrap().state, OperationState::Superseded);
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.state, DeploymentState::Deleting);
    assert!(deployments::delete(&owner, id).await.unwrap_err().is(Code::Conflict));
    assert!(deployments::change(&ada, id, &to(2)).await.unwrap_err().is(Code::Conflict));
    assert!(operations::cancel(&owner, deletion.operation).await.unwrap_err().is(Code::Conflict), "a deletion runs to its end");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn cancelling_holds_until_the_next_revision(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let (id, operation) = deploy(&ada, &new(&place)).await;
    let cancelled = operations::cancel(&ada, operation).await.unwrap();
    assert_eq!(cancelled.state, OperationState::Cancelled);
    assert_eq!(deployments::get(&ada, id).await.unwrap().summary.state, DeploymentState::Held);
    let recorded =
        sqlx::query_as::<_, (String, Option<String>, String)>("select action, object_name, changes::text from audit_events where object_id = $1 order by id desc limit 1");
    let (action, name, changes) = recorded.bind(id.0).fetch_one(&world.control.pool).await.unwrap();
    assert_eq!((action.as_str(), name.as_deref()), ("deployment.cancel", Some("iris")), "it is found with the deployment");
    assert!(changes.contains(&operation.to_string()), "{changes}");
    assert!(operations::cancel(&ada, operation).await.unwrap_err().is(Code::Conflict));
    deployments::change(&ada, id, &to(2)).await.unwrap();
    let again = deployments::get(&ada, id).await.unwrap();
    operations::cancel(&ada, again.operation.unwrap()).await.unwrap();
    deployments::change(&ada, id, &DeploymentChange::default()).await.expect("what is held can be tried again as it is");
    let held = sqlx::query_scalar!("select held from deployments where id = $1", id.0).fetch_one(&world.control.pool).await.unwrap();
    assert!(!held);
    let recorded: Vec<String> = sqlx::query_scalar("select object_name from audit_events where action = 'deployment.cancel' and outcome = 'done' order by id")
        .fetch_all(&world.control.pool)
        .await
        .unwrap();
    assert_eq!(recorded, ["iris", "iris"]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_same_request_twice_makes_one_deployment(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await.once("k-1");
    let first = deployments::create(&ada, &new(&place)).await.or_replay().unwrap();
    let second = deployments::create(&ada, &new(&place)).await.or_replay().unwrap();
    assert_eq!(first, second);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_of_every_order_follow_each_other_without_gaps(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let names: Vec<String> = (0..7).map(|n| format!("iris-{n}")).collect();
    for name in &names {
        deploy(&ada, &NewDeployment { name: Some(name.clone()), size: Some(Size::Tiny), ..new(&place) }).await;
    }
    for sort in ["changed_at", "name"] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let page = PageQuery { page_size: Some(3), sort: Some(sort.into()), direction: Some(direction), ..PageQuery::default() };
            let mut query = DeploymentQuery { page, ..DeploymentQuery::default() };
            let mut seen = Vec::new();
            loop {
                let page = deployments::list(&ada, &query).await.unwrap();
                seen.extend(page.items.into_iter().map(|row| row.name));
                match page.next_page_token {
                    Some(token) => query.page.page_token = Some(token),
                    None => break,
                }
            }
            if direction == Direction::Descending {
                seen.reverse();
            }
            assert_eq!(seen, names, "{sort} {direction:?}");
        }
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn filters_and_search_narrow_the_list(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    for name in ["alpha", "beta"] {
        deploy(&ada, &NewDeployment { name: Some(name.into()), size: Some(Size::Tiny), ..new(&place) }).await;
    }
    let count = async |query: DeploymentQuery| deployments::list(&ada, &query).await.unwrap().items.len();
    let search = |text: &str| DeploymentQuery { page: PageQuery { search: Some(text.into()), ..PageQuery::default() }, ..DeploymentQuery::default() };
    assert_eq!(count(search("alph")).await, 1);
    assert_eq!(count(search("iris")).await, 2, "by model");
    assert_eq!(count(search("%")).await, 0, "wildcards are text");
    assert_eq!(count(search(HOSTILE)).await, 0);
    let standing = |state: &str| DeploymentQuery { state: Some(state.to_owned().try_into().unwrap()), ..DeploymentQuery::default() };
    assert_eq!((count(standing("live")).await, count(standing("pending")).await, count(standing("failed,pending")).await), (0, 2, 2));
    let all = DeploymentQuery {
        state: Some(DeploymentState::Pending.into()),
        team: Some("forecasting".into()),
        cluster: Some("forecasting-lab".into()),
        model: Some(place.model),
        ..DeploymentQuery::default()
    };
    assert_eq!(count(all).await, 2);
    let of = |team: &str| DeploymentQuery { team: Some(team.into()), ..DeploymentQuery::default() };
    assert_eq!(count(of(&place.team.to_string())).await, 2);
    assert!(deployments::list(&ada, &of("growth")).await.unwrap_err().is(Code::InvalidInput), "there is no such team");
    let eve = world.user("eve", None).await;
    for hidden in ["forecasting".to_owned(), place.team.to_string()] {
        assert!(deployments::list(&eve, &of(&hidden)).await.unwrap_err().is(Code::InvalidInput), "as if there were no such team");
    }
    let neither = deployments::list(&ada, &of("Two words")).await.unwrap_err();
    assert!(neither.is(Code::InvalidInput) && neither.rejected().unwrap().message_for("team").unwrap().contains("two-words"), "{neither}");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_somebody_may_see_is_counted_by_how_it_stands(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    for (n, state) in DeploymentState::ALL.into_iter().chain([DeploymentState::Failed]).enumerate() {
        let (id, _) = deploy(&ada, &NewDeployment { name: Some(format!("iris-{n}")), size: Some(Size::Tiny), ..new(&place) }).await;
        sqlx::query!("update deployments set state = $2 where id = $1", id.0, state as DeploymentState).execute(&pool).await.unwrap();
    }
    let all = DeploymentCounts { pending: 1, rolling_out: 1, live: 1, degraded: 1, failed: 2, held: 1, deleting: 1 };
    for sees in [&ada, &world.user("admin", Some(PlatformRole::Admin)).await] {
        assert_eq!(deployments::counts(sees).await.unwrap(), all);
    }
    let looked_at = States::that(DeploymentState::needs_a_look);
    assert_eq!((all.among(&looked_at), all.among(&States::that(DeploymentState::moves))), (4, 3));
    let listed = deployments::list(&ada, &DeploymentQuery { state: Some(looked_at), ..DeploymentQuery::default() }).await.unwrap();
    assert_eq!(listed.items.len(), 4);
    assert_eq!(deployments::counts(&world.user("eve", None).await).await.unwrap(), DeploymentCounts::default(), "of others nothing is known");
    assert!(deployments::counts(&world.nobody()).await.unwrap_err().is(Code::Unauthenticated));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_preview_says_what_stands_in_the_way_and_makes_nothing(pool: PgPool) {
    let world = World::new(pool).await;
    let place = Place::new(&world).await;
    let ada = place.member(&world, "ada", TeamRole::Deployer).await;
    let preview = deployments::preview(&ada, &new(&place)).await.unwrap();
    assert!(preview.findings.iter().all(|finding| finding.tone != FindingTone::Bad), "{:?}", preview.findings);
    assert_eq!(preview.objects, ["ServiceAccount iris", "Service iris", "PodDisruptionBudget iris", "Deployment iris"]);
    assert!(preview.manifests.contains("kind: Deployment") && preview.manifests.contains("@sha256:"), "{}", preview.manifests);

    deploy(&ada, &new(&place)).await;
    let bad = |findings: Vec<Finding>| findings.into_iter().filter(|f| f.tone == FindingTone::Bad).map(|f| f.title).collect::<Vec<_>>();
    assert_eq!(bad(deployments::preview(&ada, &new(&place)).await.unwrap().findings), ["The name is taken"]);
    let large = NewDeployment { name: Some("Big One".into()), size: Some(Size::Large), replicas: Some(3), ..new(&place) };
    assert_eq!(bad(deployments::preview(&ada, &large).await.unwrap().findings), ["The name needs a change", "The workspace's quota does not leave room"]);
    assert_eq!(deployments::list(&ada, &DeploymentQuery::default()).await.unwrap().items.len(), 1);
}
