use std::time::Duration;

use domain::{Code, audit::AuditQuery};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Credential, Request, audit, sessions,
    sessions::Browser,
    testing::{PASSWORD, World, until_somebody_waits},
};

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_right_password_opens_a_session_of_its_own(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user_with_password("ada").await;
    let first = sessions::sign_in(&world.nobody(), " Ada@Example.com ", PASSWORD, Browser::default()).await.unwrap();
    let second = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser { user_agent: "Firefox\u{202e}</script>", carries: Some(&first) }).await.unwrap();
    assert_ne!(first, second);
    assert!(sessions::authenticate(&world.control, &first).await.unwrap().is_none(), "the session it came with is over");
    assert_eq!(sessions::authenticate(&world.control, &second).await.unwrap().unwrap(), *ada.actor());

    let listed = sessions::list(&ada.with_request(Request { credential: Credential::Session(second.clone()), ..Request::default() })).await.unwrap();
    assert_eq!(listed.iter().map(|s| (s.user_agent.as_str(), s.current)).collect::<Vec<_>>(), [("Firefox</script>", true)]);
    let stored: Vec<String> = sqlx::query_scalar("select secret_hash::text || id::text from sessions").fetch_all(&world.control.pool).await.unwrap();
    assert!(!stored.concat().contains(&second));

    let third = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    sessions::revoke(&ada, listed[0].id).await.unwrap();
    assert!(sessions::revoke(&ada, listed[0].id).await.unwrap_err().is(Code::NotFound));
    assert!(sessions::authenticate(&world.control, &second).await.unwrap().is_none());
    sessions::sign_out(&ada, &third).await.unwrap();
    assert!(sessions::authenticate(&world.control, &third).await.unwrap().is_none());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn every_way_to_be_wrong_gets_the_same_answer_and_is_recorded(pool: PgPool) {
    let world = World::new(pool).await;
    world.user_with_password("ada").await;
    world.user_with_password("gone").await;
    sqlx::query!("update users set disabled_at = now() where name = 'gone'").execute(&world.control.pool).await.unwrap();
    let mut answers = Vec::new();
    for (email, password) in [("ada@example.com", "not the password"), ("nobody@example.com", PASSWORD), ("gone@example.com", PASSWORD)] {
        answers.push(sessions::sign_in(&world.nobody(), email, password, Browser::default()).await.unwrap_err().rejected().unwrap().clone());
    }
    assert!(answers.iter().all(|answer| answer.code == Code::WrongCredentials && *answer == answers[0]), "{answers:?}");
    let admin = world.user("admin", Some(domain::access::PlatformRole::Admin)).await;
    let events = audit::list(&admin, &AuditQuery::default()).await.unwrap().items;
    assert_eq!(events.iter().filter(|event| event.action == "session.open" && event.outcome == domain::audit::Outcome::Refused).count(), 3);
    assert!(!serde_json::to_string(&events).unwrap().contains(PASSWORD));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn guessing_ends_even_before_the_right_guess(pool: PgPool) {
    let world = World::new(pool).await;
    world.user_with_password("ada").await;
    // What fails is undone in its own transaction, but its count stays.
    sqlx::query!("insert into attempts (key, window_start, count) values ('sign-in:email:ada@example.com', to_timestamp(floor(extract(epoch from now()) / 900) * 900), 49)")
        .execute(&world.control.pool)
        .await
        .unwrap();
    assert!(sessions::sign_in(&world.nobody(), "ada@example.com", "a wrong guess", Browser::default()).await.unwrap_err().is(Code::WrongCredentials));
    assert!(sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap_err().is(Code::RateLimited));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn whoever_guesses_from_one_address_shuts_nobody_out(pool: PgPool) {
    let world = World::new(pool).await;
    world.user_with_password("ada").await;
    let from = |address: &str| world.nobody().with_request(Request { address: Some(address.into()), ..Request::default() });
    let guesser = from("203.0.113.7");
    let mut refused = 0;
    for _ in 0..60 {
        let error = sessions::sign_in(&guesser, "ada@example.com", "a wrong guess", Browser::default()).await.unwrap_err();
        refused += usize::from(error.is(Code::RateLimited));
    }
    assert_eq!(refused, 50);
    sessions::sign_in(&from("198.51.100.9"), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_refusal_at_the_last_moment_needs_no_second_connection(_: PgPoolOptions, options: PgConnectOptions) {
    let one = async || PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(20)).connect_with(options.clone()).await.unwrap();
    let (world, other) = (World::new(one().await).await, one().await);
    let ada = world.user_with_password("ada").await;
    let mut disabling = other.begin().await.unwrap();
    sqlx::query("update users set disabled_at = now() where id = $1").bind(ada.actor().id()).execute(&mut *disabling).await.unwrap();
    let nobody = world.nobody();
    let (signed_in, ()) = futures::join!(sessions::sign_in(&nobody, "ada@example.com", PASSWORD, Browser::default()), async {
        until_somebody_waits(&mut disabling).await;
        disabling.commit().await.unwrap();
    });
    let error = signed_in.unwrap_err();
    assert!(error.is(Code::WrongCredentials), "{error:?}");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn idle_and_old_sessions_end_and_are_swept(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await;
    let user = ada.actor().user_id().unwrap();
    let open = async || sessions::open(&mut ada.write().await.unwrap(), &ada, user, "").await.unwrap();
    let (idle, old, live) = (open().await, open().await, open().await);
    sqlx::query("update sessions set last_seen_at = now() - interval '2 hours' where secret_hash = $1")
        .bind(&crate::secrets::hash(&idle)[..])
        .execute(&world.control.pool)
        .await
        .unwrap();
    sqlx::query("update sessions set expires_at = now() where secret_hash = $1").bind(&crate::secrets::hash(&old)[..]).execute(&world.control.pool).await.unwrap();
    for over in [&idle, &old] {
        assert!(sessions::authenticate(&world.control, over).await.unwrap().is_none());
    }
    assert_eq!(sessions::list(&ada).await.unwrap().len(), 1);
    assert_eq!(sessions::sweep(&world.control).await.unwrap(), 2);
    assert!(sessions::authenticate(&world.control, &live).await.unwrap().is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn nobody_ends_another_s_session(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.user("ada", None).await;
    let bo = world.user("bo", None).await;
    let secret = sessions::open(&mut ada.write().await.unwrap(), &ada, ada.actor().user_id().unwrap(), "").await.unwrap();
    let id = sessions::list(&ada).await.unwrap()[0].id;
    assert!(sessions::revoke(&bo, id).await.unwrap_err().is(Code::NotFound));
    assert!(sessions::list(&world.nobody()).await.unwrap_err().is(Code::Unauthenticated));
    assert!(sessions::authenticate(&world.control, &secret).await.unwrap().is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_stream_that_is_left_open_is_no_use_of_its_session(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let ada = world.user_with_password("ada").await;
    let secret = sessions::sign_in(&world.nobody(), "ada@example.com", PASSWORD, Browser::default()).await.unwrap();
    sqlx::query("update sessions set last_seen_at = now() - interval '10 minutes'").execute(&pool).await.unwrap();
    let used_lately = async || sqlx::query_scalar::<_, bool>("select last_seen_at > now() - interval '1 minute' from sessions").fetch_one(&pool).await.unwrap();
    let credential = Credential::Session(secret);
    let stream = world.ctx(ada.actor().clone()).with_request(Request { credential: credential.clone(), ..Request::default() });
    assert_eq!(sessions::again(&stream).await.unwrap().actor(), ada.actor());
    assert!(!used_lately().await);
    assert!(sessions::holder(&world.control, &credential).await.unwrap().is_some());
    assert!(used_lately().await);
}
