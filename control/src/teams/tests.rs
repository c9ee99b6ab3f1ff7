use std::time::Duration;

use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    account::AccountChange,
    ids::AccountId,
    model::ModelChange,
    page::PageQuery,
    team::{MemberChange, NewTeam, TeamChange},
    user::{NewInvitation, UserChange},
};
use sqlx::PgPool;

use crate::{accounts, links, models, releases, teams, testing::World, users, workspaces::fixture::Place};

fn team(name: &str) -> NewTeam {
    NewTeam { name: name.into(), ..NewTeam::default() }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_admin_makes_a_team_and_names_its_owner(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    world.user("ada", None).await;
    let made = teams::create(&admin, &NewTeam { owner: Some("ada@example.com".into()), ..team("forecasting") }).await.unwrap();
    let members = teams::members(&admin, made.id).await.unwrap();
    assert_eq!(members.iter().map(|m| (m.email.as_str(), m.role)).collect::<Vec<_>>(), [("ada@example.com", TeamRole::Owner)]);
    assert_eq!(made.your_role, None);

    let taken = teams::create(&admin, &NewTeam { owner: Some("ada@example.com".into()), ..team("forecasting") }).await.unwrap_err();
    assert_eq!(taken.rejected().unwrap().code, Code::AlreadyExists);
    assert!(taken.rejected().unwrap().message_for("name").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn others_do_not_even_see_it(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let stranger = world.user("stranger", None).await;
    let made = teams::create(&admin, &team("forecasting")).await.unwrap();
    assert!(teams::get(&stranger, made.id).await.unwrap_err().is(Code::NotFound));
    assert!(teams::update(&stranger, made.id, &TeamChange::default()).await.unwrap_err().is(Code::NotFound));
    assert!(teams::delete(&stranger, made.id).await.unwrap_err().is(Code::NotFound));
    assert!(teams::create(&stranger, &team("mine")).await.unwrap_err().is(Code::NotFound));
    assert!(teams::list(&stranger, &PageQuery::default()).await.unwrap().items.is_empty());
    assert!(teams::get(&world.nobody(), made.id).await.unwrap_err().is(Code::Unauthenticated));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_last_owner_cannot_leave(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let ada = world.user("ada", None).await;
    let made = teams::create(&admin, &NewTeam { owner: Some("ada@example.com".into()), ..team("forecasting") }).await.unwrap();
    let ada_id = ada.actor().user_id().unwrap();
    assert!(teams::remove_member(&ada, made.id, ada_id).await.unwrap_err().is(Code::Conflict));
    let down = MemberChange { email: "ada@example.com".into(), role: TeamRole::Viewer };
    assert!(teams::set_member(&ada, made.id, &down).await.unwrap_err().is(Code::Conflict));

    world.user("bo", None).await;
    teams::set_member(&ada, made.id, &MemberChange { email: "bo@example.com".into(), role: TeamRole::Owner }).await.unwrap();
    assert_eq!(teams::remove_member(&ada, made.id, ada_id).await.unwrap().len(), 1);
    assert!(teams::get(&ada, made.id).await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_of_what_changed_meanwhile_is_refused(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let made = teams::create(&admin, &team("forecasting")).await.unwrap();
    let change = |text: &str| TeamChange { description: Some(text.into()) };
    let seen = admin.clone().seeing(made.version);
    teams::update(&seen, made.id, &change("</textarea><script>alert(1)</script>")).await.unwrap();
    assert!(teams::update(&seen, made.id, &change("second")).await.unwrap_err().is(Code::PreconditionFailed));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_same_request_twice_makes_one_team(pool: PgPool) {
    use crate::OrReplay as _;
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await.once("k-1");
    let first = teams::create(&admin, &team("forecasting")).await.or_replay().unwrap();
    let second = teams::create(&admin, &team("forecasting")).await.or_replay().unwrap();
    assert_eq!(first, second);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn pages_follow_each_other_without_gaps(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    for n in 0..7 {
        teams::create(&admin, &team(&format!("team-{n}"))).await.unwrap();
    }
    for sort in ["name", "created_at"] {
        let mut query = PageQuery { page_size: Some(3), sort: Some(sort.into()), ..PageQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = teams::list(&admin, &query).await.unwrap();
            seen.extend(page.items.into_iter().map(|team| team.name));
            match page.next_page_token {
                Some(token) => query.page_token = Some(token),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, (0..7).map(|n| format!("team-{n}")).collect::<Vec<_>>());
    }
    let foreign = PageQuery {
        search: Some("team-1".into()),
        page_size: Some(3),
        page_token: teams::list(&admin, &PageQuery { page_size: Some(3), ..PageQuery::default() }).await.unwrap().next_page_token,
        ..PageQuery::default()
    };
    assert!(teams::list(&admin, &foreign).await.unwrap_err().is(Code::InvalidInput));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_may_not_waits_for_nobody(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let (viewer, stranger) = (place.member(&world, "viewer", TeamRole::Viewer).await, world.user("stranger", None).await);
    let mut busy = pool.begin().await.unwrap();
    for table in ["teams", "models", "releases"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("select id from {table} for update"))).fetch_all(&mut *busy).await.unwrap();
    }
    let member = MemberChange { email: "viewer@example.com".into(), role: TeamRole::Owner };
    for (who, code) in [(&viewer, Code::Forbidden), (&stranger, Code::NotFound)] {
        let refusals = async {
            [
                teams::update(who, place.team, &TeamChange::default()).await.err(),
                teams::set_member(who, place.team, &member).await.err(),
                teams::delete(who, place.team).await.err(),
                models::update(who, place.model, &ModelChange::default()).await.err(),
                models::delete(who, place.model).await.err(),
                releases::delete(who, place.releases[0]).await.err(),
            ]
        };
        for refused in tokio::time::timeout(Duration::from_secs(5), refusals).await.expect("nobody waits") {
            assert!(refused.as_ref().is_some_and(|error| error.is(code)), "{refused:?}");
        }
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_change_of_a_team_keeps_nobody_waiting_who_only_refers_to_it(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let place = Place::new(&world).await;
    let owner = place.member(&world, "owner", TeamRole::Owner).await;
    let mut refers = pool.begin().await.unwrap();
    for table in ["teams", "models", "accounts", "users"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("select id from {table} for key share"))).fetch_all(&mut *refers).await.unwrap();
    }
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let account: AccountId = sqlx::query_scalar("select id from accounts").fetch_one(&pool).await.unwrap();
    let changes = async {
        teams::update(&owner, place.team, &TeamChange::default()).await.unwrap();
        models::update(&owner, place.model, &ModelChange::default()).await.unwrap();
        accounts::update(&admin, account, &AccountChange::default()).await.unwrap();
        users::update(&admin, owner.actor().user_id().unwrap(), &UserChange::default()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(5), changes).await.expect("nobody waits");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_team_that_somebody_is_invited_to_stays(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let made = teams::create(&admin, &team("forecasting")).await.unwrap();
    let new = NewInvitation { email: "ada@example.com".into(), team: Some("forecasting".into()), ..NewInvitation::default() };
    let invited = links::invite(&admin, &new).await.unwrap();
    let refused = teams::delete(&admin, made.id).await.unwrap_err();
    let blocker = &refused.rejected().unwrap().blockers[0];
    assert_eq!((blocker.kind.as_str(), blocker.name.as_str(), blocker.path.as_str()), ("open invitation", "ada@example.com", "/users"));
    links::revoke_invitation(&admin, invited.id).await.unwrap();
    teams::delete(&admin, made.id).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn workspaces_that_keep_a_team_are_told_apart_by_their_clusters(pool: PgPool) {
    let world = World::new(pool).await;
    Place::new(&world).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let team = teams::list(&admin, &PageQuery::default()).await.unwrap().items.into_iter().find(|team| team.name == "forecasting").expect("the fixture's team");
    let refused = teams::delete(&admin, team.id).await.unwrap_err();
    let blockers = &refused.rejected().unwrap().blockers;
    assert!(blockers.iter().any(|blocker| (blocker.kind.as_str(), blocker.name.as_str()) == ("workspace", "forecasting on forecasting-lab")), "{blockers:?}");
}
