//! What goes wrong on our side, for whoever looks at a page.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use control::testing;
use http::Method;
use sqlx::PgPool;

use crate::common::{Caller, World};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn nobody_keeps_a_request_open_by_saying_nothing(pool: PgPool) {
    let world = World::hasty(pool, Duration::from_millis(200)).await;
    // Its key makes the body be read before anybody asks who sends it.
    for (path, key) in [("/api/v1/teams", "idempotency-key"), ("/sign-in", "x-nothing")] {
        let silent = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin"), (key, "a")];
        let answer = tokio::time::timeout(Duration::from_secs(10), world.send(&Caller::Stranger, Method::POST, path, &headers, silent)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} waits for ever"));
        assert_eq!(answer.status, 504, "{path}: {}", answer.body);
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_page_that_breaks_is_a_page_and_keeps_its_reason(pool: PgPool) {
    let pages = Router::new().route("/breaks", get(async || -> &'static str { panic!("the secret reason") }));
    let world = World::around(testing::World::new(pool).await, pages);
    let broken = world.get(&Caller::Stranger, "/breaks").await.expect(500);
    let request = broken.header("x-request-id");
    assert!(broken.header("content-type").starts_with("text/html") && broken.body.contains("Something went wrong on our side"), "{}", broken.body);
    assert!(broken.body.contains(request) && !broken.body.contains("secret reason"), "{}", broken.body);
}
