//! `/users` and `/api/v1/users`.

use domain::access::PlatformRole;
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::common::{Caller, World};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_admin_finds_changes_and_disables_people(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let ada = world.person("ada", None).await;
    let list = world.get(&admin.browser, "/users?search=ada&sort=email").await.expect(200);
    assert!(list.body.contains("ada@example.com") && !list.body.contains("admin@example.com"));
    assert!(world.get(&admin.browser, "/users?search=nobody-at-all").await.expect(200).body.contains("Nothing matches."));

    let path = format!("/api/v1/users/{}", ada.id);
    let seen = world.get(&admin.browser, &path).await.expect(200);
    let etag = seen.header("etag").to_owned();
    let change = json!({"name": "Ada", "platform_role": "auditor"});
    world.json(&admin.browser, Method::PATCH, &path, &[], &change).await.expect(428);
    world.json(&admin.browser, Method::PATCH, &path, &[("if-match", &etag)], &change).await.expect(200);
    let stale = world.json(&admin.browser, Method::PATCH, &path, &[("if-match", &etag)], &change).await.expect(412);
    assert_eq!(stale.json()["code"], "precondition_failed");
    assert!(world.get(&ada.browser, "/users").await.expect(200).body.contains("admin@example.com"), "an auditor sees everybody");

    world.post(&admin.browser, &format!("/users/{}", ada.id), &[("do", "disable"), ("confirm", "ada")]).await.expect(422);
    world.post(&admin.browser, &format!("/users/{}", ada.id), &[("do", "disable"), ("confirm", "ada@example.com")]).await.expect(303);
    world.get(&ada.browser, "/users").await.expect(303);
    let page = world.get(&admin.browser, "/users?state=disabled&page_size=1").await.expect(200);
    assert!(page.body.contains("Ada") && !page.body.contains("Next page"));
    let last = world.post(&admin.browser, &format!("/users/{}", admin.id), &[("do", "update"), ("name", "admin"), ("platform_role", "none")]).await.expect(409);
    assert!(last.body.contains("This is the last platform admin."));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn rest_pages_through_everybody(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    for n in 0..4 {
        world.person(&format!("person-{n}"), None).await;
    }
    let mut emails = Vec::new();
    let mut path = "/api/v1/users?page_size=2&sort=created_at&direction=ascending".to_owned();
    loop {
        let page = world.get(&admin.browser, &path).await.expect(200).json();
        emails.extend(page["items"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()));
        let Some(token) = page["next_page_token"].as_str() else { break };
        path = format!("/api/v1/users?page_size=2&sort=created_at&direction=ascending&page_token={token}");
    }
    assert_eq!(emails, ["admin@example.com", "person-0@example.com", "person-1@example.com", "person-2@example.com", "person-3@example.com"]);
    for query in ["page_size=0", "page_size=x", "sort=password_hash", "page_token=garbage", "platform_role=root"] {
        world.get(&admin.browser, &format!("/api/v1/users?{query}")).await.expect(400);
    }
    world.get(&Caller::Stranger, "/api/v1/users").await.expect(401);
}
