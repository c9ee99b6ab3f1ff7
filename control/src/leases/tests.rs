use std::time::Duration;

use sqlx::PgPool;

use super::{acquire, holds, release};

const MINUTE: Duration = Duration::from_secs(60);

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn one_holds_it_until_it_ends_or_is_given_back(pool: PgPool) {
    let first = acquire(&pool, "sweeper", "a", MINUTE).await.unwrap().unwrap();
    assert_eq!(acquire(&pool, "sweeper", "b", MINUTE).await.unwrap(), None);
    assert_eq!(acquire(&pool, "sweeper", "a", MINUTE).await.unwrap(), Some(first), "a renewal keeps the epoch");
    release(&pool, "sweeper", "a").await.unwrap();
    let second = acquire(&pool, "sweeper", "b", MINUTE).await.unwrap().unwrap();
    assert!(second > first);
    let mut conn = pool.acquire().await.unwrap();
    assert!(holds(&mut conn, "sweeper", second).await.unwrap());
    assert!(!holds(&mut conn, "sweeper", first).await.unwrap(), "the old owner is fenced");
}
