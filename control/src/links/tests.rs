use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    audit::AuditQuery,
    page::PageQuery,
    team::NewTeam,
    user::{Earlier, LinkPurpose, NewInvitation, UserChange},
};
use sqlx::PgPool;

use super::Filled;
use crate::{
    Actor, Ctx, audit, links, sessions,
    sessions::Browser,
    teams,
    testing::{PASSWORD, World, until_somebody_waits},
    users,
};

fn filled<'a>(email: &'a str, name: &'a str) -> Filled<'a> {
    Filled { email, name, password: PASSWORD, user_agent: "tests" }
}

fn invitation(email: &str) -> NewInvitation {
    NewInvitation { email: email.into(), ..NewInvitation::default() }
}

fn secret(url: &str) -> String {
    url.strip_prefix("http://slipway.test/links/").unwrap().to_owned()
}

async fn who(world: &World, session: &str) -> Ctx {
    world.ctx(sessions::authenticate(&world.control, session).await.unwrap().unwrap())
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_first_admin_comes_in_once(pool: PgPool) {
    let world = World::new(pool).await;
    let lost = links::ensure_first_admin(&world.control).await.unwrap().unwrap();
    let printed = links::ensure_first_admin(&world.control).await.unwrap().unwrap();
    assert_ne!(lost, printed);
    let secret_of = |url: &url::Url| secret(url.as_str());
    assert_eq!(links::look(&world.control, &secret_of(&printed)).await.unwrap().purpose, LinkPurpose::FirstAdmin);

    let weak = links::redeem(&world.nobody(), &secret_of(&printed), Filled { password: "short", ..filled("Ada", "") }).await.unwrap_err();
    let fields: Vec<&str> = weak.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["email", "name", "password"]);

    let session = links::redeem(&world.nobody(), &secret_of(&printed), filled("Ada@Example.com", "Ada")).await.unwrap();
    let ada = who(&world, &session).await;
    assert_eq!((ada.actor().name(), ada.actor().platform_role()), ("Ada", Some(PlatformRole::Admin)));
    sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    for used in [&lost, &printed] {
        assert!(links::redeem(&world.nobody(), &secret_of(used), filled("bo@example.com", "Bo")).await.unwrap_err().is(Code::NotFound));
    }
    assert!(links::ensure_first_admin(&world.control).await.unwrap().is_none());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn two_first_admin_links_at_once_make_one_admin(pool: PgPool) {
    let world = World::new(pool).await;
    let a = secret(links::ensure_first_admin(&world.control).await.unwrap().unwrap().as_str());
    let b = secret(links::ensure_first_admin(&world.control).await.unwrap().unwrap().as_str());
    let nobody = world.nobody();
    let (first, second) = futures::join!(links::redeem(&nobody, &a, filled("a@example.com", "A")), links::redeem(&nobody, &b, filled("b@example.com", "B")));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1, "{first:?} {second:?}");
    assert!(first.err().or(second.err()).unwrap().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_invited_person_gets_what_the_invitation_says(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    teams::create(&admin, &NewTeam { name: "forecasting".into(), ..NewTeam::default() }).await.unwrap();
    let new = NewInvitation { platform_role: Some(PlatformRole::Auditor), team: Some("forecasting".into()), team_role: Some(TeamRole::Deployer), ..invitation("Ada@example.com") };
    let made = links::invite(&admin, &new).await.unwrap();
    let info = links::look(&world.control, &secret(&made.url)).await.unwrap();
    assert_eq!((info.email.as_str(), info.team.as_deref(), info.team_role, info.made_by.as_str()), ("ada@example.com", Some("forecasting"), Some(TeamRole::Deployer), "admin"));

    let session = links::redeem(&world.nobody(), &secret(&made.url), filled("mallory@example.com", "Ada <b>")).await.unwrap();
    let me = users::me(&who(&world, &session).await).await.unwrap();
    assert_eq!((me.email.as_deref(), me.platform_role), (Some("ada@example.com"), Some(PlatformRole::Auditor)), "the address is the invited one, whatever was typed");
    assert_eq!(me.teams.iter().map(|team| (team.name.as_str(), team.role)).collect::<Vec<_>>(), [("forecasting", TeamRole::Deployer)]);
    assert!(links::invite(&admin, &invitation("ada@example.com")).await.unwrap_err().is(Code::AlreadyExists));
    let record: Vec<String> = sqlx::query_scalar("select e::text from audit_events e").fetch_all(&world.control.pool).await.unwrap();
    assert!(record.len() >= 4 && !record.concat().contains(&secret(&made.url)), "{record:?}");
    let kept: Vec<String> = sqlx::query_scalar("select l::text from one_time_links l").fetch_all(&world.control.pool).await.unwrap();
    assert!(!kept.concat().contains(&secret(&made.url)));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_link_used_many_times_at_once_works_once(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let made = links::invite(&admin, &invitation("ada@example.com")).await.unwrap();
    let (nobody, secret) = (world.nobody(), secret(&made.url));
    let outcomes = futures::future::join_all((0..4).map(|_| links::redeem(&nobody, &secret, filled("", "Ada")))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| error.is(Code::NotFound)), "{outcomes:?}");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn expired_withdrawn_and_replaced_links_do_not_work(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let auditor = world.user("auditor", Some(PlatformRole::Auditor)).await;
    let replaced = links::invite(&admin, &invitation("ada@example.com")).await.unwrap();
    let kept = links::invite(&admin, &invitation("ada@example.com")).await.unwrap_err();
    assert!(kept.is(Code::AlreadyExists) && kept.rejected().unwrap().errors[0].field == "earlier", "{kept:?}");
    links::look(&world.control, &secret(&replaced.url)).await.expect("nothing is replaced without a word");
    let withdrawn = links::invite(&admin, &NewInvitation { earlier: Earlier::Replace, ..invitation("ada@example.com") }).await.unwrap();
    let expired = links::invite(&admin, &invitation("bo@example.com")).await.unwrap();
    let open = links::invitations(&auditor, &PageQuery::default()).await.unwrap().items;
    assert_eq!(open.len(), 2);
    assert!(links::revoke_invitation(&auditor, withdrawn.id).await.unwrap_err().is(Code::Forbidden));
    links::revoke_invitation(&admin, withdrawn.id).await.unwrap();
    assert!(links::revoke_invitation(&admin, withdrawn.id).await.unwrap_err().is(Code::NotFound));
    sqlx::query!("update one_time_links set expires_at = now() where id = $1", expired.id.0).execute(&world.control.pool).await.unwrap();
    for link in [&replaced, &withdrawn, &expired] {
        assert!(links::look(&world.control, &secret(&link.url)).await.unwrap_err().is(Code::NotFound));
        assert!(links::redeem(&world.nobody(), &secret(&link.url), filled("", "Ada")).await.unwrap_err().is(Code::NotFound));
    }
    assert!(links::invitations(&admin, &PageQuery::default()).await.unwrap().items.is_empty());
    assert_eq!(links::sweep(&world.control).await.unwrap(), 1);
    let ended = audit::list(&admin, &AuditQuery { page: PageQuery { search: Some("invitation.revoke".into()), ..PageQuery::default() }, ..AuditQuery::default() }).await.unwrap();
    let of_replaced = ended.items.iter().find(|event| event.object_id == Some(replaced.id.0)).expect("the one that was replaced is on the record, too");
    assert_eq!(of_replaced.reason.as_deref(), Some("a newer invitation takes its place"));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_admins_invite(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let auditor = world.user("auditor", Some(PlatformRole::Auditor)).await;
    let ada = world.user("ada", None).await;
    assert!(links::invite(&auditor, &invitation("x@example.com")).await.unwrap_err().is(Code::Forbidden));
    assert!(links::invite(&ada, &invitation("x@example.com")).await.unwrap_err().is(Code::NotFound));
    assert!(links::invite(&world.nobody(), &invitation("x@example.com")).await.unwrap_err().is(Code::Unauthenticated));
    assert!(links::invitations(&ada, &PageQuery::default()).await.unwrap_err().is(Code::NotFound));
    let wrong = |new: NewInvitation| {
        let admin = admin.clone();
        async move { links::invite(&admin, &new).await.unwrap_err().rejected().unwrap().errors[0].field.clone() }
    };
    assert_eq!(wrong(invitation("\"><script>alert(1)</script>")).await, "email");
    assert_eq!(wrong(NewInvitation { team: Some("nowhere".into()), ..invitation("x@example.com") }).await, "team");
    assert_eq!(wrong(NewInvitation { team_role: Some(TeamRole::Owner), ..invitation("x@example.com") }).await, "team");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_command_line_resets_passwords_and_nobody_else(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let ada = world.user_with_password("ada").await;
    let system = world.ctx(Actor::system("command line"));
    assert!(links::reset_password(&admin, "ada@example.com").await.unwrap_err().is(Code::Forbidden));
    assert!(links::reset_password(&system, "nobody@example.com").await.unwrap_err().is(Code::InvalidInput));

    let old = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    let first = links::reset_password(&system, "ada@example.com").await.unwrap();
    let second = links::reset_password(&system, "ada@example.com").await.unwrap();
    assert!(links::look(&world.control, &secret(&first.url)).await.unwrap_err().is(Code::NotFound));
    let new = Filled { password: "nine entirely different words", ..filled("", "") };
    let session = links::redeem(&world.nobody(), &secret(&second.url), new).await.unwrap();
    assert_eq!(who(&world, &session).await.actor().user_id(), ada.actor().user_id());
    assert!(sessions::authenticate(&world.control, &old).await.unwrap().is_none());
    assert!(sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap_err().is(Code::WrongCredentials));

    let third = links::reset_password(&system, "ada@example.com").await.unwrap();
    users::update(&admin, ada.actor().user_id().unwrap(), &UserChange { disabled: Some(true), ..UserChange::default() }).await.unwrap();
    assert!(links::redeem(&world.nobody(), &secret(&third.url), new).await.unwrap_err().is(Code::NotFound));
    assert!(links::reset_password(&system, "ada@example.com").await.unwrap_err().is(Code::Conflict));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_address_that_two_invite_at_once_has_one_invitation(pool: PgPool) {
    let world = World::new(pool).await;
    let (a, b) = (world.user("a", Some(PlatformRole::Admin)).await, world.user("b", Some(PlatformRole::Admin)).await);
    for round in 0..10 {
        let new = invitation(&format!("ada-{round}@example.com"));
        let (first, second) = futures::join!(links::invite(&a, &new), links::invite(&b, &new));
        assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1, "{round}: {first:?} {second:?}");
        assert!(first.err().or(second.err()).unwrap().is(Code::AlreadyExists));
    }
    assert_eq!(links::invitations(&a, &PageQuery { page_size: Some(50), ..PageQuery::default() }).await.unwrap().items.len(), 10);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_is_in_has_no_other_invitation_left(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let first = links::invite(&admin, &invitation("bo@example.com")).await.unwrap();
    let second = links::invite(&admin, &invitation("cy@example.com")).await.unwrap();
    // As two that were made before there was but one.
    sqlx::query("update one_time_links set email = 'ada@example.com'").execute(&pool).await.unwrap();
    let (nobody, first, second) = (world.nobody(), secret(&first.url), secret(&second.url));
    let outcomes = futures::join!(links::redeem(&nobody, &first, filled("", "Ada")), links::redeem(&nobody, &second, filled("", "Ada")));
    let outcomes = [outcomes.0, outcomes.1];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|error| error.is(Code::NotFound)), "{outcomes:?}");
    assert!(links::invitations(&admin, &PageQuery::default()).await.unwrap().items.is_empty());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_team_that_is_deleted_while_somebody_joins_it_waits_for_them_or_they_find_it_gone(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = world.user("admin", Some(PlatformRole::Admin)).await;
    let team = teams::create(&admin, &NewTeam { name: "forecasting".into(), ..NewTeam::default() }).await.unwrap().id;
    let made = links::invite(&admin, &NewInvitation { team: Some("forecasting".into()), ..invitation("ada@example.com") }).await.unwrap();
    let (nobody, secret) = (world.nobody(), secret(&made.url));
    let mut deleting = pool.begin().await.unwrap();
    sqlx::query("select id from teams where id = $1 for update").bind(team.0).fetch_all(&mut *deleting).await.unwrap();
    let (joined, ()) = futures::join!(links::redeem(&nobody, &secret, filled("", "Ada")), async {
        until_somebody_waits(&mut deleting).await;
        sqlx::query("delete from teams where id = $1").bind(team.0).execute(&mut *deleting).await.expect("it waits for nobody who waits for it");
        deleting.commit().await.unwrap();
    });
    assert!(joined.unwrap_err().is(Code::NotFound));
}
