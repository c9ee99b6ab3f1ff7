use domain::Code;
use sqlx::PgPool;

use super::{Limit, count, forgive, network, sweep};

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_eleventh_guess_is_refused_and_a_success_does_not_count(pool: PgPool) {
    let guess = [Limit::sign_in_as_from("ada@example.com", Some("203.0.113.7"))];
    for _ in 0..10 {
        count(&pool, &guess).await.unwrap();
    }
    let refused = count(&pool, &guess).await.unwrap_err();
    assert!(refused.is(Code::RateLimited), "{refused}");
    assert!(refused.rejected().unwrap().message.contains("minute"));
    count(&pool, &[Limit::sign_in_as_from("ada@example.com", Some("203.0.113.8"))]).await.unwrap();

    for _ in 0..30 {
        count(&pool, &[Limit::password_of(domain::ids::UserId(uuid::Uuid::nil()))]).await.unwrap();
        forgive(&pool, &[Limit::password_of(domain::ids::UserId(uuid::Uuid::nil()))]).await.unwrap();
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn many_guesses_at_once_do_not_slip_through(pool: PgPool) {
    let guess = [Limit::sign_in_as_from("ada@example.com", None)];
    let outcomes = futures::future::join_all((0..40).map(|_| count(&pool, &guess))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn what_one_limit_refuses_is_not_counted_against_those_after_it(pool: PgPool) {
    let guess = [Limit::sign_in_as_from("ada@example.com", Some("203.0.113.7")), Limit::sign_in_as("ada@example.com")];
    for n in 0..60 {
        assert_eq!(count(&pool, &guess).await.is_ok(), n < 10);
    }
    let counted: Vec<(String, i32)> = sqlx::query_as("select key, count from attempts order by key").fetch_all(&pool).await.unwrap();
    assert_eq!(counted, [("sign-in:email-address:ada@example.com:203.0.113.7".into(), 60), ("sign-in:email:ada@example.com".into(), 10)]);

    let stranger = [Limit::sign_in_as_from("bo@example.com", None), Limit::sign_in_as("bo@example.com")];
    sqlx::query("update attempts set count = 10, key = 'sign-in:email-address:bo@example.com:unknown' where key like '%203.0.113.7'").execute(&pool).await.unwrap();
    assert!(count(&pool, &stranger).await.is_err());
    let keys: i64 = sqlx::query_scalar("select count(*) from attempts where key = 'sign-in:email:bo@example.com'").fetch_one(&pool).await.unwrap();
    assert_eq!(keys, 0, "no row is made for them either");
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn windows_that_are_over_neither_count_nor_stay(pool: PgPool) {
    let guess = [Limit::sign_in_as_from("ada@example.com", None)];
    for _ in 0..10 {
        count(&pool, &guess).await.unwrap();
    }
    sqlx::query!("update attempts set window_start = window_start - interval '1 hour'").execute(&pool).await.unwrap();
    count(&pool, &guess).await.unwrap();
    assert_eq!(sweep(&pool).await.unwrap(), 1);
    assert_eq!(sweep(&pool).await.unwrap(), 0);
}

#[test]
fn a_network_has_one_name() {
    assert_eq!(network(Some("2001:db8:1:2:3:4:5:6")), network(Some("2001:db8:1:2::9")));
    assert_ne!(network(Some("2001:db8:1:2::9")), network(Some("2001:db8:1:3::9")));
    assert_ne!(network(Some("203.0.113.7")), network(Some("203.0.113.8")));
    assert_ne!(network(Some("::ffff:203.0.113.7")), network(Some("::ffff:203.0.113.8")));
}
