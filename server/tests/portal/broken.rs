//! What goes wrong on our side, for whoever looks at a page.

use axum::{Router, routing::get};
use control::testing;
use sqlx::PgPool;

use crate::common::{Caller, World};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_page_that_breaks_is_a_page_and_keeps_its_reason(pool: PgPool) {
    let pages = Router::new().route("/breaks", get(async || -> &'static str { panic!("the secret reason") }));
    let world = World::around(testing::World::new(pool).await, pages);
    let broken = world.get(&Caller::Stranger, "/breaks").await.expect(500);
    let request = broken.header("x-request-id");
    assert!(broken.header("content-type").starts_with("text/html") && broken.body.contains("Something went wrong on our side"), "{}", broken.body);
    assert!(broken.body.contains(request) && !broken.body.contains("secret reason"), "{}", broken.body);
}
