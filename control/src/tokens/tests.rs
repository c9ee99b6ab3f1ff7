use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    ids::TeamId,
    page::PageQuery,
    team::{MemberChange, NewTeam},
    token::{NewToken, TokenKind},
};
use sqlx::PgPool;

use crate::{Actor, Ctx, OrReplay as _, teams, testing::World, tokens};

fn personal(name: &str) -> NewToken {
    NewToken { name: name.into(), days: 30, ..NewToken::default() }
}

fn limited(kind: TokenKind, team: &str, role: TeamRole) -> NewToken {
    NewToken { kind, team: Some(team.into()), role: Some(role), ..personal("nightly") }
}

/// A team with an owner and a deployer.
async fn team(world: &World) -> (Ctx, Ctx, TeamId) {
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let (owner, deployer) = (world.user("owner", None).await, world.user("deployer", None).await);
    let team = teams::create(&admin, &NewTeam { name: "forecasting".into(), owner: Some("owner@example.com".into()), ..NewTeam::default() }).await.unwrap();
    teams::set_member(&admin, team.id, &MemberChange { email: "deployer@example.com".into(), role: TeamRole::Deployer }).await.unwrap();
    (owner, deployer, team.id)
}

async fn actor(world: &World, secret: &str) -> Option<Actor> {
    tokens::authenticate(&world.control, secret).await.unwrap()
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_personal_token_is_its_maker_until_it_is_revoked(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await;
    let made = tokens::create(&ada, &personal("</textarea><script>alert(1)</script>")).await.unwrap();
    let asking = actor(&world, &made.secret).await.unwrap();
    assert_eq!(asking.user_id(), ada.actor().user_id());
    assert!(asking.person().is_none(), "a token is nobody at the keyboard");
    let stored: Vec<String> = sqlx::query_scalar("select t::text from tokens t union all select a::text from audit_events a").fetch_all(&world.control.pool).await.unwrap();
    assert!(!stored.concat().contains(&made.secret[12..]));

    let listed = tokens::list(&ada, &PageQuery::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|token| token.id).collect::<Vec<_>>(), [made.token.id]);
    assert!(listed[0].last_used_at.is_some());
    let stranger = world.user("stranger", None).await;
    assert!(tokens::revoke(&stranger, made.token.id).await.unwrap_err().is(Code::NotFound));
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    assert!(tokens::revoke(&admin, made.token.id).await.unwrap_err().is(Code::NotFound));
    tokens::revoke(&ada, made.token.id).await.unwrap();
    assert!(actor(&world, &made.secret).await.is_none());
    assert!(tokens::revoke(&ada, made.token.id).await.unwrap_err().is(Code::NotFound));
    assert!(tokens::list(&ada, &PageQuery::default()).await.unwrap().items.is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_expired_token_does_not_work(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await;
    let made = tokens::create(&ada, &NewToken { days: 1, ..personal("short") }).await.unwrap();
    assert!(actor(&world, &made.secret).await.is_some());
    sqlx::query!("update tokens set expires_at = now()").execute(&world.control.pool).await.unwrap();
    assert!(actor(&world, &made.secret).await.is_none());
    sqlx::query!("update tokens set expires_at = now() - interval '91 days'").execute(&world.control.pool).await.unwrap();
    assert_eq!(tokens::sweep(&world.control).await.unwrap(), 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_limited_token_is_worth_no_more_than_its_maker_at_this_moment(pool: PgPool) {
    let world = World::new(pool).await;
    let (owner, deployer, team) = team(&world).await;
    let made = tokens::create(&deployer, &limited(TokenKind::Personal, "forecasting", TeamRole::Deployer)).await.unwrap();
    let token = world.ctx(actor(&world, &made.secret).await.unwrap());
    assert_eq!(teams::get(&token, team).await.unwrap().your_role, Some(TeamRole::Deployer));
    let other = tokens::create(&deployer, &personal("other")).await.unwrap();
    assert_eq!(tokens::list(&token, &PageQuery::default()).await.unwrap().items.len(), 1, "it sees itself only");
    assert!(tokens::revoke(&token, other.token.id).await.unwrap_err().is(Code::NotFound));

    let deployer_id = deployer.actor().user_id().unwrap();
    teams::remove_member(&owner, team, deployer_id).await.unwrap();
    assert!(teams::get(&token, team).await.unwrap_err().is(Code::NotFound));
    tokens::revoke(&token, made.token.id).await.unwrap();
    assert!(actor(&world, &made.secret).await.is_none(), "a token may end itself");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn owners_give_their_team_tokens(pool: PgPool) {
    let world = World::new(pool).await;
    let (owner, deployer, team) = team(&world).await;
    let wanted = limited(TokenKind::Team, "forecasting", TeamRole::Deployer);
    assert!(tokens::create(&deployer, &wanted).await.unwrap_err().is(Code::Forbidden));
    let made = tokens::create(&owner, &wanted).await.unwrap();
    let token = world.ctx(actor(&world, &made.secret).await.unwrap());
    assert!(token.actor().user_id().is_none());
    assert_eq!(crate::users::me(&token).await.unwrap().teams.iter().map(|team| (team.name.as_str(), team.role)).collect::<Vec<_>>(), [("forecasting", TeamRole::Deployer)]);
    assert!(tokens::create(&token, &personal("child")).await.unwrap_err().is(Code::Forbidden));

    assert_eq!(tokens::list_of_team(&owner, team, &PageQuery::default()).await.unwrap().items.len(), 1);
    assert!(tokens::list_of_team(&deployer, team, &PageQuery::default()).await.unwrap_err().is(Code::Forbidden));
    let stranger = world.user("stranger", None).await;
    assert!(tokens::list_of_team(&stranger, team, &PageQuery::default()).await.unwrap_err().is(Code::NotFound));
    assert!(tokens::revoke(&deployer, made.token.id).await.unwrap_err().is(Code::Forbidden));
    assert!(tokens::revoke(&stranger, made.token.id).await.unwrap_err().is(Code::NotFound));
    tokens::revoke(&owner, made.token.id).await.unwrap();
    assert!(actor(&world, &made.secret).await.is_none());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_cannot_be_a_token_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    let (owner, deployer, _) = team(&world).await;
    let bad = tokens::create(&owner, &NewToken { name: "a\u{202e}b".into(), kind: TokenKind::Team, days: 366, ..NewToken::default() }).await.unwrap_err();
    let fields: Vec<&str> = bad.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "team", "days"]);
    let wrong = async |ctx: &Ctx, new: NewToken, field: &str| {
        let error = tokens::create(ctx, &new).await.unwrap_err();
        assert!(error.rejected().unwrap().message_for(field).is_some(), "{error}");
    };
    wrong(&owner, NewToken { role: Some(TeamRole::Viewer), ..personal("x") }, "team").await;
    wrong(&owner, NewToken { team: Some("forecasting".into()), ..personal("x") }, "role").await;
    wrong(&owner, NewToken { days: 0, ..personal("x") }, "days").await;
    wrong(&deployer, limited(TokenKind::Personal, "forecasting", TeamRole::Owner), "role").await;
    let stranger = world.user("stranger", None).await;
    wrong(&stranger, limited(TokenKind::Personal, "forecasting", TeamRole::Viewer), "team").await;
    assert!(tokens::create(&world.nobody(), &personal("x")).await.unwrap_err().is(Code::Unauthenticated));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_secret_is_shown_once_even_when_asked_twice(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await.once("k-1");
    tokens::create(&ada, &personal("x")).await.or_replay().unwrap();
    let again = tokens::create(&ada, &personal("x")).await.or_replay().unwrap_err();
    assert!(again.is(Code::Conflict), "{again}");
    assert_eq!(tokens::list(&ada, &PageQuery::default()).await.unwrap().items.len(), 1);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn tokens_come_in_pages(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await;
    for n in 0..5 {
        tokens::create(&ada, &NewToken { days: 10 + n, ..personal(&format!("Token {n}")) }).await.unwrap();
    }
    for (sort, first) in [("created_at", "Token 4"), ("name", "Token 0"), ("expires_at", "Token 0")] {
        let mut query = PageQuery { page_size: Some(2), sort: Some(sort.into()), ..PageQuery::default() };
        let mut names = Vec::new();
        loop {
            let page = tokens::list(&ada, &query).await.unwrap();
            names.extend(page.items.into_iter().map(|token| token.name));
            query.page_token = page.next_page_token;
            if query.page_token.is_none() {
                break;
            }
        }
        assert_eq!((names.len(), names[0].as_str()), (5, first), "{sort}");
    }
    let found = tokens::list(&ada, &PageQuery { search: Some("token 3".into()), ..PageQuery::default() }).await.unwrap();
    assert_eq!(found.items.len(), 1);
}
