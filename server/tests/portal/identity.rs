//! Signing in and out.

use axum::body::Body;
use domain::access::{PlatformRole, TeamRole};
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::common::{Caller, PASSWORD, World};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_person_signs_in_and_out(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let form = world.get(&Caller::Stranger, "/sign-in?next=/teams").await.expect(200);
    assert!(form.body.contains("autocomplete=\"current-password\""));
    assert_eq!(form.header("cache-control"), "no-store");

    let planted = Caller::Browser("planted-by-somebody-else".into());
    let answer = world.post(&planted, "/sign-in?next=/teams", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.expect(303);
    assert_eq!(answer.header("location"), "/teams");
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("planted"), "the session is a fresh one");
    let ada = answer.browser();
    world.get(&ada, "/teams").await.expect(200);
    assert_eq!(world.get(&ada, "/sign-in?next=//evil.example").await.expect(303).header("location"), "/");

    let out = world.post(&ada, "/sign-out", &[]).await.expect(303);
    assert!(out.header("set-cookie").starts_with("slipway=;") && out.header("set-cookie").contains("Max-Age=0"));
    let back = world.get(&ada, "/teams?search=iris").await.expect(303);
    assert_eq!(back.header("location"), "/sign-in?next=%2Fteams%3Fsearch%3Diris");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_wrong_password_is_told_and_nothing_more(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let known = world.post(&Caller::Stranger, "/sign-in", &[("email", "ada@example.com"), ("password", "wrong-but-long-enough")]).await.expect(401);
    let unknown = world.post(&Caller::Stranger, "/sign-in", &[("email", "xyz@example.com"), ("password", "wrong-but-long-enough")]).await.expect(401);
    assert!(known.body.contains("E-mail address or password is wrong."));
    assert!(known.body.contains("value=\"ada@example.com\"") && !known.body.contains("wrong-but-long-enough"));
    assert_eq!(known.body.replace("ada@example.com", "xyz@example.com").len(), unknown.body.len());
    assert!(known.headers.get("set-cookie").is_none());

    // The browser is told that the answer is a page to read: going back to it does not send the password again.
    assert!(known.body.contains(">history.replaceState(") && !world.get(&Caller::Stranger, "/sign-in").await.body.contains("history.replaceState("));
    let hostile = world.post(&Caller::Stranger, "/sign-in", &[("email", "\"></textarea><script>alert(1)</script>"), ("password", "x")]).await.expect(422);
    assert!(hostile.body.contains("Enter an e-mail address like") && !hostile.body.contains("<script>alert"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn guessing_is_slowed_down_where_it_comes_from(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let from = |address: &'static str| [("sec-fetch-site", "same-origin"), ("x-forwarded-for", address)];
    let wrong = [("email", "ada@example.com"), ("password", "wrong")];
    let right = [("email", "ada@example.com"), ("password", PASSWORD)];
    for _ in 0..10 {
        world.post_from(&Caller::Stranger, "/sign-in", &wrong, &from("203.0.113.7")).await.expect(401);
    }
    let limited = world.post_from(&Caller::Stranger, "/sign-in", &right, &from("203.0.113.7")).await.expect(429);
    assert!(limited.body.contains("tried too often") && !limited.header("retry-after").is_empty());
    world.post_from(&Caller::Stranger, "/sign-in", &right, &from("203.0.113.8")).await.expect(303);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn other_sites_cannot_post_in_anyones_name(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let ada = world.person("ada", None).await;
    let team = world.team(&admin, "forecasting", &ada, &[(&admin, TeamRole::Viewer)]).await;
    for headers in [&[("sec-fetch-site", "cross-site")][..], &[("sec-fetch-site", "same-site")], &[("origin", "https://evil.example")], &[("origin", "null")], &[]] {
        for (path, fields) in
            [("/teams", &[("do", "create"), ("name", "planted")][..]), ("/sign-out", &[]), (&format!("/teams/{team}"), &[("do", "update"), ("description", "planted")])]
        {
            let answer = world.post_from(&admin.browser, path, fields, headers).await.expect(403);
            assert!(answer.body.contains("cross_site_request") || answer.body.contains("another site"), "{}", answer.body);
        }
    }
    world.send(&admin.browser, Method::DELETE, &format!("/api/v1/teams/{team}"), &[("sec-fetch-site", "cross-site")], Body::empty()).await.expect(403);
    assert_eq!(world.get(&admin.browser, "/api/v1/teams").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    world.post_from(&admin.browser, "/teams", &[("do", "create"), ("name", "ours")], &[("origin", "http://slipway.test")]).await.expect(303);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn rest_says_who_it_does_not_know(pool: PgPool) {
    let world = World::new(pool).await;
    for caller in [Caller::Stranger, Caller::Browser("garbage".into()), Caller::Token("garbage".into()), Caller::Token("slipway_garbage".into())] {
        let answer = world.json(&caller, Method::POST, "/api/v1/teams", &[], &json!({ "name": "mine" })).await.expect(401);
        assert_eq!(answer.json()["code"], "unauthenticated");
        assert_eq!((answer.header("content-type"), answer.header("www-authenticate")), ("application/problem+json", "Bearer"));
    }
}
