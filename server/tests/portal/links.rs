//! `/links/{secret}`: the first admin, invitations, password resets.

use domain::access::PlatformRole;
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::common::{Caller, PASSWORD, World};

fn path(url: &str) -> String {
    url.strip_prefix("http://slipway.test").unwrap().to_owned()
}

const FIELDS: [(&str, &str); 3] = [("name", "Ada Lovelace"), ("password", PASSWORD), ("password_again", PASSWORD)];

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_first_admin_invites_the_second(pool: PgPool) {
    let world = World::new(pool).await;
    let first = path(control::links::ensure_first_admin(&world.inner.control).await.unwrap().unwrap().as_str());
    let page = world.get(&Caller::Stranger, &first).await.expect(200);
    assert!(page.body.contains("Become the first admin") && page.body.contains("name=\"email\""));
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "same-origin"));

    let mut fields = FIELDS.to_vec();
    fields.push(("email", "Ada@example.com"));
    let answer = world.post(&Caller::Stranger, &first, &fields).await.expect(303);
    assert_eq!(answer.header("location"), "/");
    let ada = answer.browser();
    assert_eq!(world.get(&ada, "/api/v1/me").await.expect(200).json()["platform_role"], "admin");
    world.get(&Caller::Stranger, &first).await.expect(404);
    world.post(&Caller::Stranger, &first, &fields).await.expect(404);

    let made = world.post(&ada, "/users", &[("do", "invite"), ("email", "bo@example.com"), ("platform_role", "auditor"), ("_key", "k")]).await.expect(200);
    let link = made.body.split("http://slipway.test/links/").nth(1).unwrap().split('<').next().unwrap();
    let link = format!("/links/{link}");
    let again = world.post(&ada, "/users", &[("do", "invite"), ("email", "bo@example.com"), ("platform_role", "auditor"), ("_key", "k")]).await.expect(409);
    assert!(again.body.contains("It cannot be shown again"));

    let page = world.get(&Caller::Stranger, &link).await.expect(200);
    assert!(page.body.contains("Ada Lovelace invites bo@example.com. You will see everything on the platform, as an auditor."));
    let mut differ = FIELDS.to_vec();
    differ[2].1 = "something else entirely";
    let differ = world.post(&Caller::Stranger, &link, &differ).await.expect(422);
    assert!(differ.body.contains("The two passwords differ.") && differ.body.contains("value=\"Ada Lovelace\"") && !differ.body.contains(PASSWORD));
    let bo = world.post(&Caller::Stranger, &link, &FIELDS).await.expect(303).browser();
    let me = world.get(&bo, "/api/v1/me").await.expect(200).json();
    assert_eq!((me["email"].as_str(), me["platform_role"].as_str()), (Some("bo@example.com"), Some("auditor")));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn invitations_are_listed_and_withdrawn(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let ada = world.person("ada", None).await;
    world.team(&admin, "forecasting", &ada, &[]).await;
    let body = json!({"email": "bo@example.com", "team": "forecasting", "team_role": "deployer"});
    let made = world.json(&admin.browser, Method::POST, "/api/v1/invitations", &[("idempotency-key", "k-1")], &body).await.expect(201);
    let again = world.json(&admin.browser, Method::POST, "/api/v1/invitations", &[("idempotency-key", "k-1")], &body).await.expect(409);
    assert_eq!(again.json()["code"], "conflict");
    let open = world.get(&admin.browser, "/api/v1/invitations?search=bo@").await.expect(200).json();
    assert_eq!((&open["items"][0]["email"], &open["items"][0]["team_role"]), (&json!("bo@example.com"), &json!("deployer")));
    assert!(!open.to_string().contains("/links/"));
    let id = open["items"][0]["id"].as_str().unwrap();
    assert!(world.get(&admin.browser, "/users").await.expect(200).body.contains("deployer in forecasting"));
    world.post(&admin.browser, "/users", &[("do", "revoke_invitation"), ("link", id)]).await.expect(303);
    world.get(&Caller::Stranger, &path(made.json()["url"].as_str().unwrap())).await.expect(404);

    let hostile = world.post(&admin.browser, "/users", &[("do", "invite"), ("email", "</textarea><script>alert(1)</script>"), ("team", "</textarea><script>")]).await.expect(422);
    assert!(!hostile.body.contains("<script>alert") && hostile.body.contains("Enter an e-mail address like ada@example.com."));
    world.json(&admin.browser, Method::POST, "/api/v1/invitations", &[], &json!({"email": "x@example.com", "unknown": 1})).await.expect(422);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_invitation_offers_the_teams_there_are(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let ada = world.person("ada", None).await;
    let forecasting = world.team(&admin, "forecasting", &ada, &[]).await;
    world.team(&admin, "growth", &ada, &[]).await;
    let fresh = world.get(&admin.browser, "/users").await.expect(200).body;
    assert!(fresh.contains(">No team</option>") && fresh.contains("<option value=\"growth\">growth</option>"), "{fresh}");

    let invite = async |fields: &[(&str, &str)]| world.post(&admin.browser, "/users", &[&[("do", "invite")], fields].concat()).await;
    let wrong = invite(&[("email", "bo"), ("team", "growth"), ("team_role", "deployer"), ("platform_role", "auditor")]).await.expect(422).body;
    for kept in ["value=\"bo\"", "value=\"growth\" selected", "value=\"deployer\" selected", "value=\"auditor\" selected"] {
        assert!(wrong.contains(kept), "{kept} is not in {wrong}");
    }
    let roleless = invite(&[("email", "bo@example.com"), ("team", ""), ("team_role", "deployer")]).await.expect(422).body;
    assert!(roleless.contains("Name the team in which they get this role."), "{roleless}");
    invite(&[("email", "bo@example.com"), ("team", "growth"), ("team_role", "deployer")]).await.expect(200);
    let twice = invite(&[("email", "bo@example.com"), ("platform_role", "auditor")]).await.expect(409).body;
    assert!(twice.contains("bo@example.com has an open invitation from admin: deployer in growth.") && twice.contains("name=\"earlier\""), "{twice}");
    let replaced = invite(&[("email", "bo@example.com"), ("platform_role", "auditor"), ("earlier", "replace")]).await.expect(200).body;
    assert!(replaced.contains("<td>auditor</td>") && !replaced.contains("deployer in growth"), "{replaced}");
    invite(&[("email", "bo@example.com"), ("team", "growth"), ("team_role", "deployer"), ("earlier", "replace")]).await.expect(200);
    // What the form holds before anything is chosen.
    invite(&[("email", "cy@example.com"), ("team", ""), ("team_role", "viewer"), ("platform_role", "")]).await.expect(200);
    world.json(&admin.browser, Method::POST, "/api/v1/invitations", &[], &json!({"email": "di@example.com", "team": forecasting.to_string()})).await.expect(201);
    let open = world.get(&admin.browser, "/api/v1/invitations?sort=email&direction=ascending").await.expect(200).json();
    let given: Vec<_> = open["items"].as_array().unwrap().iter().map(|one| (one["team_name"].as_str(), one["team_role"].as_str())).collect();
    assert_eq!(given, [(Some("growth"), Some("deployer")), (None, None), (Some("forecasting"), Some("viewer"))]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_reset_link_from_the_command_line_sets_a_new_password(pool: PgPool) {
    let world = World::new(pool).await;
    world.inner.user_with_password("ada").await;
    let system = world.inner.ctx(control::Actor::system("command line"));
    let link = path(&control::links::reset_password(&system, "ada@example.com").await.unwrap().url);
    let page = world.get(&Caller::Stranger, &link).await.expect(200);
    assert!(page.body.contains("For ada@example.com.") && !page.body.contains("name=\"name\""));
    let new = "nine entirely different words in a row";
    world.post(&Caller::Stranger, &link, &[("password", new), ("password_again", new)]).await.expect(303).browser();
    world.post(&Caller::Stranger, "/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.expect(401);
    world.post(&Caller::Stranger, "/sign-in", &[("email", "ada@example.com"), ("password", new)]).await.expect(303);
    world.get(&Caller::Stranger, &link).await.expect(404);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn garbage_links_look_like_used_ones(pool: PgPool) {
    let world = World::new(pool).await;
    for garbage in ["/links/x", "/links/%00", "/links/..%2fusers", "/links/%F0%9F%92%A9"] {
        let page = world.get(&Caller::Stranger, garbage).await.expect(404);
        assert!(page.body.contains("This link does not work any more"), "{garbage}");
    }
    for garbage in ["/links/%ff", "/teams/%ff", "/users/not-an-id"] {
        let page = world.get(&Caller::Stranger, garbage).await.expect(404);
        assert!(page.body.contains("<h1>"), "a page, not JSON: {}", page.body);
    }
}
