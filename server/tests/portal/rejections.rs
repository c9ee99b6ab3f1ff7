//! Whatever turns a request down before an operation sees it says so in one form: a problem with a stable code, naming the header,
//! the parameter or the place in the body at fault.

use axum::body::Body;
use domain::access::PlatformRole;
use http::Method;
use sqlx::PgPool;

use crate::{
    common::{Answer, Caller, World},
    contract::says,
};

/// One request that is turned down.
struct Case {
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// `(field, what its message says)`
    errors: &'static [(&'static str, &'static str)],
}

const JSON: (&str, &str) = ("content-type", "application/json");
const TEAM: &str = "/api/v1/teams/00000000-0000-0000-0000-000000000001";

fn post(headers: &'static [(&'static str, &'static str)], body: impl Into<Vec<u8>>, status: u16, code: &'static str, errors: &'static [(&'static str, &'static str)]) -> Case {
    Case { method: Method::POST, path: "/api/v1/teams", headers, body: body.into(), status, code, errors }
}

fn ask(
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    code: &'static str,
    errors: &'static [(&'static str, &'static str)],
) -> Case {
    Case { method, path, headers, body: b"{}".to_vec(), status, code, errors }
}

fn cases() -> Vec<Case> {
    let large = format!("{{\"name\": \"{}\"}}", "a".repeat(1 << 20));
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(200), "]".repeat(200));
    let long_key: &'static str = Box::leak("k".repeat(201).into_boxed_str());
    let long: &'static [(&str, &str)] = Box::leak(Box::new([JSON, ("idempotency-key", long_key)]));
    vec![
        post(&[], "{}", 415, "unsupported_media_type", &[("Content-Type", "application/json")]),
        post(&[("content-type", "text/plain")], "{}", 415, "unsupported_media_type", &[("Content-Type", "application/json")]),
        post(&[("content-type", "application/x-www-form-urlencoded")], "name=a", 415, "unsupported_media_type", &[("Content-Type", "application/json")]),
        post(&[JSON, ("content-encoding", "gzip")], "{}", 415, "unsupported_media_type", &[("Content-Encoding", "without a content-encoding")]),
        post(&[JSON], large.clone(), 413, "too_large", &[("", "larger than 1024 KiB")]),
        post(&[JSON, ("idempotency-key", "k")], large, 413, "too_large", &[("", "larger than 1024 KiB")]),
        post(&[JSON], *b"{\"name\": \"\xff\xfe\"}", 400, "malformed_request", &[("", "not UTF-8")]),
        post(&[JSON], "{\"name\": ", 400, "malformed_request", &[("", "ends too early")]),
        post(&[JSON], "", 400, "malformed_request", &[("", "ends too early")]),
        post(&[JSON], "name: a", 400, "malformed_request", &[("", "line 1, column 2")]),
        post(&[JSON], "{\"name\": \"a\"} []", 400, "malformed_request", &[("", "not JSON")]),
        post(&[JSON], deep, 400, "malformed_request", &[("", "nested too deeply")]),
        post(&[JSON], "[]", 422, "invalid_input", &[("", "an object, not a list")]),
        post(&[JSON], "{\"name\": \"a\", \"name\": \"b\"}", 422, "invalid_input", &[("", "twice")]),
        post(&[JSON, ("idempotency-key", "")], "{\"name\": \"a\"}", 400, "malformed_request", &[("Idempotency-Key", "1 to 200")]),
        post(long, "{\"name\": \"a\"}", 400, "malformed_request", &[("Idempotency-Key", "1 to 200")]),
        ask(Method::PATCH, TEAM, &[JSON], 428, "precondition_required", &[("If-Match", "ETag")]),
        ask(Method::PATCH, TEAM, &[JSON, ("if-match", "\"yesterday\"")], 412, "precondition_failed", &[("If-Match", "never this thing's ETag")]),
        ask(Method::PATCH, TEAM, &[JSON, ("if-match", "*")], 404, "not_found", &[]),
        ask(Method::GET, "/api/v1/teams?colour=red", &[], 400, "malformed_request", &[("colour", "no such parameter")]),
        ask(Method::GET, "/api/v1/teams/%ff", &[], 404, "not_found", &[]),
        ask(Method::GET, "/api/v1/teams/not-an-id", &[], 404, "not_found", &[]),
        ask(Method::GET, "/api/v1/teams/", &[], 404, "not_found", &[]),
        ask(Method::GET, "/api/v1/nothing", &[], 404, "not_found", &[]),
        ask(Method::GET, "/api/v1/problems/nothing", &[], 404, "not_found", &[]),
        ask(Method::GET, "/api/v2/teams", &[], 404, "not_found", &[]),
        ask(Method::PUT, "/api/v1/teams", &[JSON], 405, "method_not_allowed", &[]),
        ask(Method::POST, "/api/v1/openapi.json", &[JSON], 405, "method_not_allowed", &[]),
        ask(Method::OPTIONS, "/api/v1/teams", &[], 405, "method_not_allowed", &[]),
        ask(Method::GET, "/api/v1/teams", &[("authorization", "Bearer slipway_nobody")], 401, "unauthenticated", &[("Authorization", "unknown, expired or revoked")]),
        ask(Method::POST, "/api/v1/teams", &[JSON, ("sec-fetch-site", "cross-site")], 403, "cross_site_request", &[]),
    ]
}

#[track_caller]
fn is_a_problem(answer: &Answer, case: &Case) {
    let what = format!("{} {} {:?}", case.method, case.path, case.headers);
    assert_eq!(answer.status.as_u16(), case.status, "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert!(!answer.header("x-request-id").is_empty(), "{what}");
    let problem = answer.json();
    assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(case.code), Some(case.status.into())), "{what}: {problem}");
    assert_eq!(problem["type"], format!("/api/v1/problems/{}", case.code), "{what}");
    assert!(["title", "detail"].iter().all(|key| problem[*key].as_str().is_some_and(|words| !words.is_empty())), "{what}: {problem}");
    match case.errors {
        [] => assert!(problem["errors"].is_null(), "{what}: {problem}"),
        errors => says(answer, errors),
    }
    assert_eq!(answer.header("allow").is_empty(), case.status != 405, "{what}: a wrong method is told the right ones");
    assert_eq!(answer.header("www-authenticate").is_empty(), case.status != 401, "{what}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn every_rejection_is_a_problem_that_names_what_is_at_fault(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await.browser;
    for case in cases() {
        let mut headers = case.headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "sec-fetch-site") {
            headers.push(("sec-fetch-site", "same-origin"));
        }
        let answer = world.send(&admin, case.method.clone(), case.path, &headers, Body::from(case.body.clone())).await;
        is_a_problem(&answer, &case);
    }
    let stranger = ask(Method::GET, "/api/v1/teams", &[], 401, "unauthenticated", &[("Authorization", "Sign in")]);
    is_a_problem(&world.get(&Caller::Stranger, stranger.path).await, &stranger);
    assert_eq!(world.get(&admin, "/api/v1/teams").await.expect(200).json()["items"], serde_json::json!([]), "nothing was made");
}

/// What an operation finds wrong with a header is named like what was found before it.
#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_key_used_again_and_a_thing_that_changed_name_their_headers(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await.browser;
    let key = [("idempotency-key", "once")];
    let made = world.json(&admin, Method::POST, "/api/v1/teams", &key, &serde_json::json!({ "name": "one" })).await.expect(201).json();
    let other = world.json(&admin, Method::POST, "/api/v1/teams", &key, &serde_json::json!({ "name": "two" })).await.expect(422);
    assert_eq!(other.json()["code"], "idempotency_mismatch");
    says(&other, &[("Idempotency-Key", "key")]);
    let team = format!("/api/v1/teams/{}", made["id"].as_str().unwrap());
    let changed = world.json(&admin, Method::PATCH, &team, &[("if-match", "\"77\"")], &serde_json::json!({ "description": "x" })).await.expect(412);
    assert_eq!(changed.json()["code"], "precondition_failed");
    says(&changed, &[("If-Match", "changed since you last saw it")]);
}

/// Pages say it in words, with what the parser said one click away.
#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_filter_that_a_page_cannot_read_is_named(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = world.person("admin", Some(PlatformRole::Admin)).await.browser;
    for page in ["/deployments?team=a&state=bogus", "/audit?object_kind=bogus"] {
        let answer = world.get(&admin, page).await.expect(400).body;
        let said = answer.split("<details").next().unwrap();
        assert!(said.contains("“bogus” is nothing that") && !said.contains("one of") && answer.contains("one of"), "{page}: {answer}");
    }
}
