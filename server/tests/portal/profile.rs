//! `/profile`, `/teams/{id}/tokens` and `/api/v1/tokens`.

use axum::body::Body;
use domain::access::{PlatformRole, TeamRole};
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::common::{Answer, Caller, PASSWORD, World};

/// The token that a page shows, this once.
fn secret(answer: &Answer) -> String {
    let rest = answer.body.split("id=\"token-secret\"").nth(1).unwrap();
    rest.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_token_is_made_used_and_revoked(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.person("ada", None).await;
    let made =
        world.post(&ada.browser, "/profile", &[("do", "create_token"), ("token_name", "</textarea><script>alert(1)</script>"), ("days", "3"), ("_key", "k")]).await.expect(200);
    assert!(!made.body.contains("<script>alert"));
    let token = Caller::Token(secret(&made));
    assert_eq!(world.get(&token, "/api/v1/me").await.expect(200).json()["email"], "ada@example.com");
    let page = world.get(&ada.browser, "/profile").await.expect(200);
    assert!(!page.body.contains(&secret(&made)) && page.body.contains(&secret(&made)[..12]));
    assert!(page.body.contains("This one"), "the session that asks is marked");

    let id = world.get(&token, "/api/v1/tokens").await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
    let more = world.json(&token, Method::POST, "/api/v1/tokens", &[], &json!({"name": "more", "days": 3})).await.expect(403);
    assert_eq!(more.json()["code"], "forbidden");
    world.get(&token, "/profile").await.expect(303);
    world.send(&token, Method::DELETE, &format!("/api/v1/tokens/{id}"), &[], Body::empty()).await.expect(204);
    world.get(&token, "/api/v1/me").await.expect(401);

    let wrong = world.post(&ada.browser, "/profile", &[("do", "create_token"), ("token_name", ""), ("days", "many")]).await.expect(422);
    assert!(wrong.body.contains("id=\"days-why\""));
    let wrong = world.post(&ada.browser, "/profile", &[("do", "create_token"), ("token_name", ""), ("days", "999")]).await.expect(422);
    assert!(wrong.body.contains("id=\"days-why\"") && wrong.body.contains("id=\"token_name-why\"") && !wrong.body.contains("id=\"name-why\""));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn owners_keep_their_team_s_tokens(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let (owner, deployer) = (world.person("owner", None).await, world.person("deployer", None).await);
    let team = world.team(&admin, "forecasting", &owner, &[(&deployer, TeamRole::Deployer)]).await;
    let page = format!("/teams/{team}/tokens");
    assert!(world.get(&owner.browser, &format!("/teams/{team}")).await.expect(200).body.contains(&page));
    let made = world.post(&owner.browser, &page, &[("do", "create_token"), ("name", "ci"), ("role", "viewer"), ("days", "30")]).await.expect(200);
    let token = Caller::Token(secret(&made));
    let me = world.get(&token, "/api/v1/me").await.expect(200).json();
    assert_eq!((&me["id"], &me["teams"][0]["role"]), (&json!(null), &json!("viewer")));
    world.get(&token, &format!("/api/v1/teams/{team}")).await.expect(200);
    world.get(&token, &format!("/api/v1/users/{}", owner.id)).await.expect(404);

    let drawn = world.get(&owner.browser, &page).await.expect(200).body;
    assert!(drawn.contains("<td class=\"extra\">viewer</td>") && !drawn.contains("viewer in forecasting"), "the page is one team's: {drawn}");

    let listed = world.get(&owner.browser, &format!("/api{}", page.replace("/teams", "/v1/teams"))).await.expect(200).json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    world.get(&deployer.browser, &page).await.expect(403);
    world.send(&deployer.browser, Method::DELETE, &format!("/api/v1/tokens/{id}"), &[("sec-fetch-site", "same-origin")], Body::empty()).await.expect(403);
    let asked = world.post(&owner.browser, &page, &[("do", "revoke_token"), ("token", id), ("confirm", "c")]).await.expect(422).body;
    assert!(asked.contains("<details open class=\"sure\">") && asked.contains("Type ci exactly to confirm."), "{asked}");
    world.get(&token, "/api/v1/me").await.expect(200);
    world.post(&owner.browser, &page, &[("do", "revoke_token"), ("token", id), ("confirm", "ci")]).await.expect(303);
    world.get(&token, "/api/v1/me").await.expect(401);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_changed_password_leaves_no_trace_and_no_other_session(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let sign_in = [("email", "ada@example.com"), ("password", PASSWORD)];
    let here = world.post(&Caller::Stranger, "/sign-in", &sign_in).await.expect(303).browser();
    let elsewhere = world.post(&Caller::Stranger, "/sign-in", &sign_in).await.expect(303).browser();
    let form = world.get(&here, "/profile").await.expect(200).body;
    let password_form = form.split("<form").find(|form| form.contains("current_password")).unwrap();
    assert!(!password_form.contains("_key"), "no hash of the passwords is to be kept");
    let new = "nine entirely different words in a row";
    let wrong = world.post(&here, "/profile", &[("do", "change_password"), ("current_password", "not it"), ("new_password", new), ("password_again", new)]).await.expect(422);
    assert!(wrong.body.contains("This is not your present password.") && !wrong.body.contains(new));
    let changed = world.post(&here, "/profile", &[("do", "change_password"), ("current_password", PASSWORD), ("new_password", new), ("password_again", new)]).await.expect(303);
    let Caller::Browser(session) = &here else { panic!("a browser") };
    let brings = |said: &str| Caller::Browser(format!("{session}; {}", said.split(';').next().unwrap()));
    let page = world.get(&brings(changed.header("set-cookie")), "/profile").await.expect(200);
    assert!(page.body.contains("role=\"status\" class=\"notice good\"><p>Your password is changed; 1 other session ended.</p>"), "{}", page.body);
    assert_eq!(page.header("set-cookie"), "slipway-said=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", "it is said once");
    let planted = world.get(&brings("slipway-said=<script>alert(1)</script>"), "/profile").await.expect(200);
    assert!(!planted.body.contains("role=\"status\"") && !planted.body.contains("alert(1)"), "only what we say ourselves");
    world.get(&here, "/profile").await.expect(200);
    world.get(&elsewhere, "/profile").await.expect(303);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_session_does_over_rest_what_its_page_does(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    world.inner.user_with_password("ada").await;
    let sign_in = [("email", "ada@example.com"), ("password", PASSWORD)];
    let [elsewhere, other, here] = [(); 3].map(|()| world.post(&Caller::Stranger, "/sign-in", &sign_in));
    let (elsewhere, other, here) = (elsewhere.await.expect(303).browser(), other.await.expect(303).browser(), here.await.expect(303).browser());
    let own = [("sec-fetch-site", "same-origin")];
    let listed = world.get(&here, "/api/v1/me/sessions").await.expect(200).json();
    assert_eq!(listed.as_array().unwrap().iter().map(|session| session["current"] == true).collect::<Vec<_>>(), [true, false, false]);
    let of_other = world.get(&other, "/api/v1/me/sessions").await.expect(200).json();
    let id = of_other.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    world.send(&here, Method::DELETE, &format!("/api/v1/me/sessions/{id}"), &own, Body::empty()).await.expect(204);
    world.get(&other, "/api/v1/me").await.expect(401);
    world.send(&here, Method::DELETE, &format!("/api/v1/me/sessions/{id}"), &own, Body::empty()).await.expect(404);

    let new = "nine entirely different words in a row";
    let wrong = world.json(&here, Method::POST, "/api/v1/me/password", &own, &json!({"current_password": "not it", "new_password": new})).await.expect(422);
    assert!(wrong.json()["errors"][0]["field"] == "/current_password" && !wrong.body.contains("not it") && !wrong.body.contains(new), "{}", wrong.body);
    let passwords = json!({"current_password": PASSWORD, "new_password": new});
    let keyed = world.json(&here, Method::POST, "/api/v1/me/password", &[own[0], ("idempotency-key", "k")], &passwords).await.expect(400).json();
    assert_eq!(keyed["errors"][0]["field"], "Idempotency-Key");
    let changed = world.json(&here, Method::POST, "/api/v1/me/password", &own, &passwords).await.expect(200);
    assert_eq!(changed.json(), json!({"sessions_ended": 1}));
    let kept: i64 = sqlx::query_scalar("select count(*) from idempotency_keys").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0, "no hash of the passwords is kept");
    world.get(&elsewhere, "/api/v1/me").await.expect(401);
    world.get(&here, "/api/v1/me").await.expect(200);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_session_elsewhere_is_ended_from_here(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let sign_in = [("email", "ada@example.com"), ("password", PASSWORD)];
    let elsewhere = world.post(&Caller::Stranger, "/sign-in", &sign_in).await.expect(303).browser();
    let here = world.post(&Caller::Stranger, "/sign-in", &sign_in).await.expect(303).browser();
    let page = world.get(&here, "/profile").await.expect(200).body;
    let id = page.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let bo = world.person("bo", None).await;
    world.post(&bo.browser, "/profile", &[("do", "revoke_session"), ("session", id)]).await.expect(404);
    for _ in 0..2 {
        world.post(&here, "/profile", &[("do", "revoke_session"), ("session", id), ("_key", "pressed twice")]).await.expect(303);
    }
    world.post(&here, "/profile", &[("do", "revoke_session"), ("session", id), ("_key", "another press")]).await.expect(404);
    world.get(&elsewhere, "/profile").await.expect(303);
    let saved = world.post(&here, "/profile", &[("do", "rename"), ("name", "Ada <b>")]).await.expect(303);
    assert!(saved.header("set-cookie").starts_with("slipway-said=saved;"), "{:?}", saved.headers);
    assert!(world.get(&here, "/profile").await.expect(200).body.contains("Ada &lt;b&gt;"));
}
