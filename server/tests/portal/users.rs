//! `/users` and `/api/v1/users`.

use domain::access::{PlatformRole, TeamRole};
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
async fn whoever_disables_somebody_sees_which_teams_that_leaves_without_an_owner(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let ada = world.person("ada", None).await;
    let team = world.team(&admin, "forecasting", &ada, &[]).await;
    let page = format!("/users/{}", ada.id);
    let before = world.get(&admin.browser, &page).await.expect(200).body;
    assert!(before.contains("the only owner of forecasting who can sign in"), "{before}");
    world.post(&admin.browser, &page, &[("do", "disable"), ("confirm", "ada@example.com")]).await.expect(303);
    let after = world.get(&admin.browser, &page).await.expect(200).body;
    assert!(after.contains("the team has no owner who can sign in"), "{after}");
    assert_eq!(world.get(&admin.browser, &format!("/api/v1{page}")).await.expect(200).json()["teams"][0]["sole_owner"], json!(true));
    world.post(&admin.browser, &format!("/teams/{team}"), &[("do", "set_member"), ("email", "admin@example.com"), ("role", "owner")]).await.expect(303);
    let mended = world.get(&admin.browser, &page).await.expect(200).body;
    assert!(!mended.contains("has no owner"), "{mended}");
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

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_owner_changes_roles_row_by_row_and_is_asked_before_somebody_goes(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let (owner, ada, vi) = (world.person("owner", None).await, world.person("ada", None).await, world.person("vi", None).await);
    let team = world.team(&admin, "forecasting", &owner, &[(&ada, TeamRole::Deployer), (&vi, TeamRole::Viewer)]).await;
    let page = format!("/teams/{team}");
    let seen = world.get(&owner.browser, &page).await.expect(200).body;
    assert!(seen.contains("aria-label=\"Role of ada\"") && seen.contains("<option value=\"deployer\" selected>"), "{seen}");
    let for_viewers = world.get(&vi.browser, &page).await.expect(200).body;
    assert!(!for_viewers.contains("<select") && !for_viewers.contains("Remove"), "{for_viewers}");

    let id = ada.id.to_string();
    let change = |role| [("do", "set_member"), ("member", id.as_str()), ("email", "ada@example.com"), ("role", role)];
    world.post(&owner.browser, &page, &change("owner")).await.expect(303);
    let roles = async || {
        let members = world.get(&owner.browser, &format!("/api/v1/teams/{team}/members")).await.expect(200).json();
        members.as_array().unwrap().iter().map(|one| format!("{} {}", one["email"].as_str().unwrap(), one["role"].as_str().unwrap())).collect::<Vec<_>>()
    };
    assert!(roles().await.contains(&"ada@example.com owner".to_owned()), "{:?}", roles().await);
    world.post(&owner.browser, &page, &change("deployer")).await.expect(303);
    let myself = owner.id.to_string();
    let step_down = [("do", "set_member"), ("member", myself.as_str()), ("email", "owner@example.com"), ("role", "viewer")];
    let last = world.post(&owner.browser, &page, &step_down).await.expect(409).body;
    assert!(last.contains("forecasting needs an owner who can sign in."), "{last}");
    assert!(!last.contains("type=\"email\" value=\"owner@example.com\""), "what is in a row is not put into the form for others: {last}");

    let remove = |confirm| [("do", "remove_member"), ("user", id.as_str()), ("confirm", confirm)];
    let asked = world.post(&owner.browser, &page, &remove("")).await.expect(422).body;
    assert!(asked.contains("Type ada@example.com exactly to confirm.") && asked.matches("exactly to confirm.").count() == 1, "{asked}");
    assert!(roles().await.contains(&"ada@example.com deployer".to_owned()), "{:?}", roles().await);
    world.post(&owner.browser, &page, &remove("ada@example.com")).await.expect(303);
    assert!(!roles().await.iter().any(|one| one.starts_with("ada@")), "{:?}", roles().await);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_role_of_null_is_taken_away(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let auditor = world.person("auditor", Some(PlatformRole::Auditor)).await;
    let path = format!("/api/v1/users/{}", auditor.id);
    let change = async |body: serde_json::Value| {
        let version = world.get(&admin.browser, &path).await.expect(200).header("etag").to_owned();
        world.json(&admin.browser, Method::PATCH, &path, &[("if-match", version.as_str())], &body).await.expect(200).json()["platform_role"].clone()
    };
    assert_eq!(change(json!({"name": "Aud"})).await, "auditor", "what is left out stays");
    assert_eq!(change(json!({"platform_role": null})).await, serde_json::Value::Null);
}
