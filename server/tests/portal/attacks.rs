//! What somebody who means harm would try at the door. Rights are asked for in `matrix`; links and tokens that are used twice, and
//! sign-ins that guess, are tried beside their operations.

use std::{collections::BTreeSet, path::Path};

use axum::body::Body;
use control::{Control, Settings, testing};
use domain::access::{PlatformRole, TeamRole};
use http::Method;
use serde_json::{Value, json};
use server::session::proxies::TrustedProxies;
use sqlx::PgPool;

use crate::common::{Answer, Caller, PASSWORD, World};

async fn token(world: &World, browser: &Caller, body: Value) -> Caller {
    let made = world.json(browser, Method::POST, "/api/v1/tokens", &[], &body).await.expect(201).json();
    Caller::Token(made["secret"].as_str().unwrap().to_owned())
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_token_makes_nothing_that_is_stronger_than_itself(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let (admin, owner) = (world.person("admin", Some(PlatformRole::Admin)).await, world.person("owner", None).await);
    let team = world.team(&admin, "forecasting", &owner, &[(&admin, TeamRole::Owner)]).await;
    let limited = json!({ "name": "ci", "team": "forecasting", "role": "viewer", "days": 1 });
    // An admin's token that is limited to a team is no admin's any more.
    let of_admin = token(&world, &admin.browser, limited.clone()).await;
    let of_owner = token(&world, &owner.browser, limited).await;
    let of_team = token(&world, &owner.browser, json!({ "name": "ci", "kind": "team", "team": "forecasting", "role": "deployer", "days": 1 })).await;
    for caller in [&of_admin, &of_owner, &of_team] {
        let ask = async |method: Method, path: &str, body: Value| world.json(caller, method, &format!("/api/v1{path}"), &[("if-match", "*")], &body).await;
        let stronger = json!({ "name": "more", "kind": "team", "team": "forecasting", "role": "owner", "days": 365 });
        ask(Method::POST, "/tokens", stronger).await.expect(403);
        ask(Method::POST, "/invitations", json!({ "email": "eve@example.com", "platform_role": "admin" })).await.expect(404);
        ask(Method::PUT, &format!("/teams/{team}/members"), json!({ "email": "admin@example.com", "role": "owner" })).await.expect(403);
        ask(Method::PATCH, &format!("/users/{}", owner.id), json!({ "platform_role": "admin" })).await.expect(404);
        ask(Method::GET, "/users", Value::Null).await.expect(404);
        // Pages, where passwords are changed and sessions ended, do not know tokens.
        let password = [("do", "change_password"), ("current_password", PASSWORD), ("new_password", "x"), ("password_again", "x")];
        let refused = world.post(caller, "/profile", &password).await.expect(401);
        assert!(refused.body.contains("Your session ended") && !refused.body.contains(PASSWORD));
    }
    let (tokens, invitations): (i64, i64) =
        sqlx::query_as("select (select count(*) from tokens), (select count(*) from one_time_links where purpose = 'invitation')").fetch_one(&pool).await.unwrap();
    assert_eq!((tokens, invitations), (3, 0));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn of_many_who_saw_the_same_one_changes_it(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await;
    let team = format!("/api/v1/teams/{}", world.team(&admin, "forecasting", &admin, &[]).await);
    let tag = world.get(&admin.browser, &team).await.expect(200).header("etag").to_owned();
    let change = async |n: usize| world.json(&admin.browser, Method::PATCH, &team, &[("if-match", &tag)], &json!({ "description": format!("by {n}") })).await;
    let answers = futures::future::join_all((0..12).map(change)).await;
    let won: Vec<usize> = answers.iter().enumerate().filter(|(_, answer)| answer.status == 200).map(|(n, _)| n).collect();
    assert_eq!((won.len(), answers.iter().filter(|answer| answer.status == 412).count()), (1, 11), "{answers:?}");
    assert_eq!(world.get(&admin.browser, &team).await.expect(200).json()["description"], format!("by {}", won[0]));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_idempotency_key_is_one_caller_s_own(pool: PgPool) {
    let world = World::new(pool).await;
    let (one, other) = (world.person("one", Some(PlatformRole::Admin)).await, world.person("other", Some(PlatformRole::Admin)).await);
    let bearer = token(&world, &one.browser, json!({ "name": "ci", "days": 1 })).await;
    let key = [("idempotency-key", "the same")];
    for (caller, name) in [(&one.browser, "first"), (&other.browser, "second"), (&bearer, "third")] {
        let body = json!({ "name": name });
        let body = if name == "third" { json!({ "name": name, "owner": "one@example.com" }) } else { body };
        let made = world.json(caller, Method::POST, "/api/v1/teams", &key, &body).await.expect(201).json();
        assert_eq!(made["name"], name, "nobody gets another's answer");
    }
    // Many at once with one key make one thing, and all are told of it.
    let body = json!({ "name": "raced" });
    let answers = futures::future::join_all((0..8).map(|_| world.json(&one.browser, Method::POST, "/api/v1/teams", &[("idempotency-key", "raced")], &body))).await;
    let ids: BTreeSet<String> = answers.into_iter().map(|answer| answer.expect(201).json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_form_s_key_that_is_no_text_is_no_key(pool: PgPool) {
    let world = World::new(pool).await;
    let ada = world.person("ada", None).await;
    for key in ["\0", "k\0", "a\nb", "\u{e9}", &"k".repeat(201)] {
        for _ in 0..2 {
            world.post(&ada.browser, "/profile", &[("do", "rename"), ("name", "Ada"), ("_key", key)]).await.expect(303);
        }
    }
    assert!(world.get(&ada.browser, "/profile").await.expect(200).body.contains("value=\"Ada\""));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn files_outside_the_site_are_out_of_reach(pool: PgPool) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    let site = folder.join("site");
    std::fs::create_dir_all(site.join("pkg/inner")).unwrap();
    std::fs::write(site.join("pkg/slipway.css"), "a{}").unwrap();
    for outside in [folder.join("secret.txt"), site.join("secret.txt")] {
        std::fs::write(outside, "the secret").unwrap();
    }
    let world = World::over(testing::World::new(pool).await, &site, TrustedProxies(0));
    assert_eq!(world.get(&Caller::Stranger, "/pkg/slipway.css").await.expect(200).body, "a{}");
    for path in [
        "/pkg/../secret.txt",
        "/pkg/../../secret.txt",
        "/pkg/inner/../../../secret.txt",
        "/pkg/%2e%2e/secret.txt",
        "/pkg/%2e%2e%2fsecret.txt",
        "/pkg/..%2fsecret.txt",
        "/pkg/..%5csecret.txt",
        "/pkg/....//secret.txt",
        "/pkg/%252e%252e/secret.txt",
        "/pkg//etc/passwd",
        "/pkg/%2fetc%2fpasswd",
        "/pkg/secret.txt%00.css",
        "/secret.txt",
    ] {
        let answer = world.get(&Caller::Stranger, path).await;
        assert!(answer.status.is_client_error() || answer.status.is_redirection(), "{path}: {}", answer.status);
        assert!(!answer.body.contains("the secret") && !answer.body.contains("root:"), "{path}: {}", answer.body);
    }
    // A folder's contents are not listed.
    assert!(!world.get(&Caller::Stranger, "/pkg/").await.body.contains("slipway.css"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn an_address_that_a_stranger_writes_down_does_not_count(pool: PgPool) {
    let world = World::over(testing::World::new(pool).await, Path::new("/nonexistent"), TrustedProxies(0));
    world.inner.user_with_password("ada").await;
    let form = [("email", "ada@example.com"), ("password", "wrong")];
    let guess = async |n: usize| {
        let address = format!("203.0.113.{n}");
        let headers = [("x-forwarded-for", address.as_str()), ("x-real-ip", &address), ("forwarded", &address), ("sec-fetch-site", "same-origin")];
        world.post_from(&Caller::Stranger, "/sign-in", &form, &headers).await
    };
    for n in 0..10 {
        guess(n).await.expect(401);
    }
    guess(10).await.expect(429);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn no_text_of_a_caller_s_becomes_a_header_or_a_line(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    world.inner.user_with_password("ada").await;
    let form = [("email", "ada@example.com"), ("password", PASSWORD)];
    for next in ["/x%0d%0aset-cookie:%20planted=1", "/x%0aplanted:%201", "/%E2%80%AE", "/x%00", "/%C3%A9?a=%0d%0ab"] {
        let answer = world.post(&Caller::Stranger, &format!("/sign-in?next={next}"), &form).await.expect(303);
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1, "{next}");
        assert!(answer.headers.get("planted").is_none() && answer.header("location").starts_with('/'), "{next}: {:?}", answer.headers);
    }
    let ada = {
        let headers = [("sec-fetch-site", "same-origin"), ("user-agent", "Mozilla\tERROR forged\t<script>alert(1)</script>")];
        world.post_from(&Caller::Stranger, "/sign-in", &form, &headers).await.expect(303).browser()
    };
    let kept: Vec<String> = sqlx::query_scalar("select user_agent from sessions").fetch_all(&pool).await.unwrap();
    assert!(kept.iter().any(|agent| agent.contains("forged")) && kept.iter().all(|agent| !agent.chars().any(char::is_control)), "{kept:?}");
    assert!(!world.get(&ada, "/profile").await.expect(200).body.contains("<script>alert"));
    // What stands for a request in logs and answers is an id, whoever made it.
    let id = async |sent: &str| world.send(&ada, Method::GET, "/api/v1/me", &[("x-request-id", sent)], Body::empty()).await.header("x-request-id").to_owned();
    assert_eq!(id("proxy-7f3a.1").await, "proxy-7f3a.1");
    for forged in ["a b", "\"} ERROR forged", "x=1\tid=2", &"x".repeat(65), ""] {
        let own = id(forged).await;
        assert!(own != forged && uuid::Uuid::parse_str(&own).is_ok(), "{forged:?} became {own:?}");
    }
}

fn nonce(answer: &Answer) -> String {
    let policy = answer.header("content-security-policy");
    policy.split("'nonce-").nth(1).unwrap_or_else(|| panic!("no nonce in {policy:?}")).split('\'').next().unwrap().to_owned()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn every_page_says_what_browsers_may_do_with_it(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await.browser;
    let mut nonces = BTreeSet::new();
    let paths = [
        "/",
        "/deployments",
        "/models",
        "/workspaces",
        "/operations",
        "/teams",
        "/clusters",
        "/accounts",
        "/users",
        "/audit",
        "/profile",
        "/reference",
        "/nothing",
        "/teams/x",
        "/sign-in",
    ];
    for path in paths {
        let caller = if path == "/sign-in" { &Caller::Stranger } else { &admin };
        for _ in 0..2 {
            let page = world.get(caller, path).await;
            let policy = page.header("content-security-policy");
            for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "'strict-dynamic'"] {
                assert!(policy.contains(part), "{path}: {part} is not in {policy:?}");
            }
            let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap();
            assert!(!scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'") && !scripts.contains("http"), "{path}: {scripts}");
            assert!(nonces.insert(nonce(&page)), "{path}: a nonce is used once");
            for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "same-origin")] {
                assert_eq!(page.header(name), value, "{path}: {name}");
            }
        }
    }
    for path in ["/api/v1/me", "/api/v1/users", "/api/v1/audit", "/api/v1/nothing"] {
        let answer = world.send(&admin, Method::GET, path, &[("origin", "https://evil.example")], Body::empty()).await;
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"), "{path}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}: no other site reads it");
    }
    let away = world.get(&Caller::Stranger, "/users").await.expect(303);
    assert!(away.header("location").starts_with("/sign-in") && away.body.is_empty());
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn over_tls_browsers_are_told_to_stay_there(pool: PgPool) {
    let settings = Settings { public_url: "https://slipway.test".parse().unwrap(), ..testing::settings() };
    let control = Control::with_aws(pool.clone(), settings, testing::aws("http://127.0.0.1:9")).await.unwrap();
    let world = World::over(testing::World { control }, Path::new("/nonexistent"), TrustedProxies(1));
    world.inner.user_with_password("ada").await;
    let signed_in = world.post(&Caller::Stranger, "/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.expect(303);
    let cookie = signed_in.header("set-cookie");
    assert!(cookie.starts_with("__Host-slipway=") && cookie.ends_with("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    assert_eq!(signed_in.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(World::new(pool).await.get(&Caller::Stranger, "/sign-in").await.header("strict-transport-security"), "", "loopback has no TLS to stay with");
}
