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
