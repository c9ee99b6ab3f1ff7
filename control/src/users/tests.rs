use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    ids::UserId,
    page::PageQuery,
    team::{MemberChange, NewTeam},
    token::NewToken,
    user::{NewInvitation, PlatformRoleChange, UserChange, UserQuery, UserState},
};
use sqlx::PgPool;

use crate::{
    Credential, Ctx, Request, links, sessions,
    sessions::Browser,
    teams,
    testing::{PASSWORD, World, until_somebody_waits},
    tokens, users,
};

fn id(ctx: &Ctx) -> UserId {
    ctx.actor().user_id().unwrap()
}

fn role(role: PlatformRoleChange) -> UserChange {
    UserChange { platform_role: Some(role), ..UserChange::default() }
}

fn disable() -> UserChange {
    UserChange { disabled: Some(true), ..UserChange::default() }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_last_admin_stays(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let auditor = world.user("auditor", Some(PlatformRole::Auditor)).await;
    assert!(users::update(&admin, id(&admin), &role(PlatformRoleChange::Auditor)).await.unwrap_err().is(Code::Conflict));
    assert!(users::update(&admin, id(&admin), &disable()).await.unwrap_err().is(Code::Conflict));
    users::update(&admin, id(&auditor), &role(PlatformRoleChange::Admin)).await.unwrap();
    users::update(&admin, id(&admin), &role(PlatformRoleChange::None)).await.unwrap();
    let second = world.ctx(crate::Actor::user(id(&auditor), "auditor".into(), Some(PlatformRole::Admin)));
    assert!(users::update(&second, id(&auditor), &role(PlatformRoleChange::None)).await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn two_admins_who_demote_each_other_leave_one(pool: PgPool) {
    let world = World::new(pool).await;
    let (a, b) = (world.user("a", Some(PlatformRole::Admin)).await, world.user("b", Some(PlatformRole::Admin)).await);
    let change = role(PlatformRoleChange::None);
    let (first, second) = futures::join!(users::update(&a, id(&b), &change), users::update(&b, id(&a), &change));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1, "{first:?} {second:?}");
    let refused = first.err().or(second.err()).unwrap();
    assert!(refused.is(Code::Conflict), "{refused}");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn disabling_ends_everything_for_good(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let bo = world.user("bo", Some(PlatformRole::Admin)).await;
    let session = sessions::open(&mut bo.write().await.unwrap(), &bo, id(&bo), "").await.unwrap();
    let token = tokens::create(&bo, &NewToken { name: "ci".into(), days: 3, ..NewToken::default() }).await.unwrap();
    let invited = links::invite(&bo, &NewInvitation { email: "friend@example.com".into(), platform_role: Some(PlatformRole::Admin), ..NewInvitation::default() }).await.unwrap();

    users::update(&admin, id(&bo), &disable()).await.unwrap();
    users::update(&admin, id(&bo), &UserChange { disabled: Some(false), ..UserChange::default() }).await.unwrap();
    assert!(sessions::authenticate(&world.control, &session).await.unwrap().is_none());
    assert!(tokens::authenticate(&world.control, &token.secret).await.unwrap().is_none());
    let secret = invited.url.rsplit('/').next().unwrap();
    assert!(links::look(&world.control, secret).await.unwrap_err().is(Code::NotFound), "what an admin gave goes with them");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_leaves_is_disabled_at_once_and_their_teams_get_another_owner(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (ada, bo, cy) = (world.user("ada", None).await, world.user("bo", None).await, world.user("cy", None).await);
    let member = |name: &str, role: TeamRole| MemberChange { email: format!("{name}@example.com"), role };
    let mut made = Vec::new();
    for name in ["alone", "shared", "with-a-dead-one"] {
        made.push(teams::create(&admin, &NewTeam { name: name.into(), owner: Some("ada@example.com".into()), ..NewTeam::default() }).await.unwrap().id);
    }
    teams::set_member(&admin, made[1], &member("bo", TeamRole::Owner)).await.unwrap();
    teams::set_member(&admin, made[2], &member("cy", TeamRole::Owner)).await.unwrap();
    let sole = |user: domain::user::User| user.teams.into_iter().filter(|team| team.sole_owner).map(|team| team.name).collect::<Vec<_>>();
    assert_eq!(sole(users::update(&admin, id(&cy), &disable()).await.unwrap()), [""; 0], "ada owns it, too");

    let left = users::update(&admin, id(&ada), &disable()).await.unwrap();
    assert_eq!(sole(left), ["alone", "with-a-dead-one"]);
    let changes: serde_json::Value =
        sqlx::query_scalar("select changes from audit_events where object_id = $1 and action = 'user.update'").bind(ada.actor().id()).fetch_one(&pool).await.unwrap();
    assert!(changes.to_string().contains(r#"["alone","with-a-dead-one"]"#), "{changes}");

    teams::set_member(&admin, made[0], &member("bo", TeamRole::Owner)).await.unwrap();
    assert_eq!(sole(users::get(&admin, id(&ada)).await.unwrap()), ["with-a-dead-one"]);
    assert!(teams::set_member(&bo, made[0], &member("bo", TeamRole::Viewer)).await.unwrap_err().is(Code::Conflict), "ada is an owner who cannot sign in");
    assert!(teams::remove_member(&bo, made[0], id(&bo)).await.unwrap_err().is(Code::Conflict));
    teams::set_member(&bo, made[0], &member("ada", TeamRole::Viewer)).await.unwrap();
    let raised = teams::set_member(&bo, made[0], &member("ada", TeamRole::Owner)).await.unwrap_err();
    assert!(raised.rejected().unwrap().message_for("email").is_some_and(|words| words.contains("disabled")), "{raised:?}");
    teams::remove_member(&admin, made[2], id(&ada)).await.unwrap();
    teams::remove_member(&admin, made[2], id(&cy)).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_owner_who_steps_down_while_the_other_is_disabled_is_the_last(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (ada, bo) = (world.user("ada", None).await, world.user("bo", None).await);
    let team = teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("ada@example.com".into()), ..NewTeam::default() }).await.unwrap().id;
    teams::set_member(&admin, team, &MemberChange { email: "bo@example.com".into(), role: TeamRole::Owner }).await.unwrap();
    let mut disabling = pool.begin().await.unwrap();
    sqlx::query("update users set disabled_at = now() where id = $1").bind(ada.actor().id()).execute(&mut *disabling).await.unwrap();
    let down = MemberChange { email: "bo@example.com".into(), role: TeamRole::Viewer };
    let (refused, ()) = futures::join!(teams::set_member(&bo, team, &down), async {
        until_somebody_waits(&mut disabling).await;
        disabling.commit().await.unwrap();
    });
    assert!(refused.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_admins_change_others(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let auditor = world.user("auditor", Some(PlatformRole::Auditor)).await;
    let ada = world.user("ada", None).await;
    let name = |name: &str| UserChange { name: Some(name.into()), ..UserChange::default() };
    assert_eq!(users::update(&ada, id(&ada), &name("Ada </textarea><script>")).await.unwrap().name, "Ada </textarea><script>");
    assert!(users::update(&ada, id(&ada), &name("Ada\u{202e}")).await.unwrap_err().is(Code::InvalidInput));
    assert!(users::update(&ada, id(&ada), &role(PlatformRoleChange::Admin)).await.unwrap_err().is(Code::Forbidden));
    assert!(users::update(&ada, id(&admin), &name("x")).await.unwrap_err().is(Code::NotFound));
    assert!(users::update(&auditor, id(&ada), &name("x")).await.unwrap_err().is(Code::Forbidden));
    assert!(users::get(&ada, id(&admin)).await.unwrap_err().is(Code::NotFound));
    assert!(users::list(&ada, &UserQuery::default()).await.unwrap_err().is(Code::NotFound));
    assert_eq!(users::list(&auditor, &UserQuery::default()).await.unwrap().items.len(), 3);
    let seen = users::get(&admin, id(&ada)).await.unwrap();
    users::update(&admin.seeing(seen.version), id(&ada), &name("Ada")).await.unwrap();
    assert!(users::update(&admin.seeing(seen.version), id(&ada), &name("Bo")).await.unwrap_err().is(Code::PreconditionFailed));
    assert!(users::update(&admin, UserId::generate(), &name("x")).await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_new_password_ends_the_other_sessions(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user_with_password("ada").await;
    let here = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    let ada = ada.with_request(Request { credential: Credential::Session(here.clone()), ..Request::default() });
    let elsewhere = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    let wrong = users::change_password(&ada, "not my password", "eight other words in a row").await.unwrap_err();
    assert!(wrong.rejected().unwrap().message_for("current_password").is_some());
    assert!(users::change_password(&ada, PASSWORD, "short").await.unwrap_err().rejected().unwrap().message_for("new_password").is_some());
    users::change_password(&ada, PASSWORD, "eight other words in a row").await.unwrap();
    assert!(sessions::authenticate(&world.control, &here).await.unwrap().is_some());
    assert!(sessions::authenticate(&world.control, &elsewhere).await.unwrap().is_none());
    assert!(sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap_err().is(Code::WrongCredentials));
    sessions::sign_in(&world.nobody(), "ada@example.com", "eight other words in a row", Browser::default()).await.unwrap();

    let token = tokens::create(&ada, &NewToken { name: "ci".into(), days: 3, ..NewToken::default() }).await.unwrap();
    let token = world.ctx(tokens::authenticate(&world.control, &token.secret).await.unwrap().unwrap());
    assert!(users::change_password(&token, "eight other words in a row", PASSWORD).await.unwrap_err().is(Code::Forbidden));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn users_are_searched_filtered_sorted_and_paged(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    for n in 0..6 {
        world.user(&format!("person-{n}"), (n == 3).then_some(PlatformRole::Auditor)).await;
    }
    teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("person-3@example.com".into()), ..NewTeam::default() }).await.unwrap();
    sqlx::query!("update users set disabled_at = now() where name = 'person-5'").execute(&world.control.pool).await.unwrap();
    for sort in ["name", "email", "created_at", "last_seen_at"] {
        let page = PageQuery { page_size: Some(2), sort: Some(sort.into()), ..PageQuery::default() };
        let mut query = UserQuery { page, ..UserQuery::default() };
        let mut names = Vec::new();
        loop {
            let page = users::list(&admin, &query).await.unwrap();
            names.extend(page.items.into_iter().map(|user| user.name));
            query.page.page_token = page.next_page_token;
            if query.page.page_token.is_none() {
                break;
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7, "{sort}");
    }
    let names = async |query: UserQuery| users::list(&admin, &query).await.unwrap().items.into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(names(UserQuery { platform_role: Some(PlatformRole::Auditor), ..UserQuery::default() }).await, ["person-3"]);
    assert_eq!(names(UserQuery { state: Some(UserState::Disabled), ..UserQuery::default() }).await, ["person-5"]);
    assert_eq!(names(UserQuery { page: PageQuery { search: Some("N-4@".into()), ..PageQuery::default() }, ..UserQuery::default() }).await, ["person-4"]);
    let auditor = users::list(&admin, &UserQuery { platform_role: Some(PlatformRole::Auditor), ..UserQuery::default() }).await.unwrap().items.remove(0);
    assert_eq!(auditor.teams.iter().map(|team| (team.name.as_str(), team.role)).collect::<Vec<_>>(), [("forecasting", TeamRole::Owner)]);
}
