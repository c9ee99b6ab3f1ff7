//! A body in which something has the wrong shape: all that is wrong with the rest is said in the same answer.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    contract::{errors, says},
    place::{CLUSTER, Place, RELEASES, WORKSPACE},
};

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn shapes_and_values_are_told_of_in_one_answer(pool: PgPool) {
    let place = Place::new(pool).await;
    let (world, admin, deployer) = (&place.world, &place.admin.browser, &place.deployer.browser);
    let deployment = json!({
        "release": 7, "workspace": "here", "name": "Iris Main", "replicas": 99, "size": "huge", "reason": "x".repeat(501),
        "environment": [{ "name": "1X", "value": "x".repeat(4097) }, { "name": "LEVEL" }],
    });
    let wrong = world.json(deployer, Method::POST, "/api/v1/deployments", &[], &deployment).await.expect(422);
    assert_eq!((wrong.json()["code"].as_str(), wrong.json()["detail"].as_str()), (Some("invalid_input"), Some("9 fields need a change.")));
    says(
        &wrong,
        &[
            ("/environment/0/name", "Use letters, digits and underscores, and begin with no digit. An example is LOG_LEVEL."),
            ("/environment/0/value", "Use at most 4096 characters."),
            ("/environment/1/value", "This field is missing."),
            ("/name", "try iris-main"),
            ("/reason", "Use at most 500 characters."),
            ("/release", "an id, as answers give it, not a number"),
            ("/replicas", "a whole number from 1 to 50"),
            ("/size", "one of: tiny"),
            ("/workspace", "an id"),
        ],
    );
    let invitation = json!({ "email": 7, "team": "No Such Team", "team_role": "boss" });
    let wrong = world.json(admin, Method::POST, "/api/v1/invitations", &[], &invitation).await.expect(422);
    says(&wrong, &[("/email", "a text, not a number"), ("/team", "try no-such-team"), ("/team_role", "one of: viewer")]);
    // There twice and wrong besides.
    let twice = r#"{"name": "Two Words", "description": "a", "description": "b"}"#;
    let headers = [("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
    let wrong = world.send(admin, Method::POST, "/api/v1/teams", &headers, twice.into()).await.expect(422);
    says(&wrong, &[("", "twice"), ("/name", "try two-words")]);
}

/// Requests whose values no operation takes, although each has the right shape.
fn turned_down() -> Vec<(Method, String, Value)> {
    let model = uuid::Uuid::from_u128(0x50);
    let long = "x".repeat(2001);
    let of = |path: &str, body: Value| (Method::POST, path.to_owned(), body);
    vec![
        of("/teams", json!({ "name": "Two Words", "description": long, "owner": "nobody" })),
        of("/accounts", json!({ "name": "-", "role_arn": "arn:aws:iam::1:role/x", "regions": ["here"] })),
        of("/clusters", json!({ "account": "main", "region": "here", "eks_name": "no cluster", "name": "No" })),
        of("/workspaces", json!({ "name": "kube-system", "team": "forecasting", "cluster": "lab", "quota": { "cpu_millis": 1, "memory_mib": 1, "pods": 1 } })),
        of("/models", json!({ "name": "9", "team": "forecasting", "description": long })),
        of("/releases", json!({ "model": model, "repository": "x", "tag": ".", "health_path": "health", "notes": long })),
        of("/deployments", json!({ "release": RELEASES[0], "workspace": WORKSPACE, "name": "default", "environment": [{ "name": "A B", "value": "" }], "reason": long })),
        of("/invitations", json!({ "email": "ada@", "team": "No" })),
        of("/tokens", json!({ "name": "a\u{202e}b", "team": "No", "role": "viewer", "days": 1 })),
        (Method::PUT, format!("/accounts/{}/prefixes", uuid::Uuid::from_u128(0x20)), json!({ "prefix": "/", "team": "forecasting" })),
        (Method::PUT, format!("/clusters/{CLUSTER}/connection"), json!({ "server": "http://lab.example" })),
    ]
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_words_are_the_operation_s_whoever_finds_it(pool: PgPool) {
    let place = Place::new(pool).await;
    for (method, path, body) in turned_down() {
        let path = format!("/api/v1{path}");
        // Some of it is an admin's to do and some a deployer's: whoever may is asked.
        let mut by_operation = BTreeSet::new();
        for caller in [&place.admin.browser, &place.deployer.browser] {
            let answer = place.world.json(caller, method.clone(), &path, &[("if-match", "*")], &body).await;
            if answer.status.as_u16() == 422 {
                by_operation = errors(&answer).into_iter().collect();
            }
        }
        assert!(!by_operation.is_empty(), "{path} takes {body}");
        let mut misshapen = body.clone();
        misshapen["colour"] = json!("red");
        let answer = place.world.json(&place.admin.browser, method, &path, &[("if-match", "*")], &misshapen).await.expect(422);
        let (colour, by_shape): (BTreeSet<_>, BTreeSet<_>) = errors(&answer).into_iter().partition(|(field, _)| field == "/colour");
        assert_eq!((colour.len(), by_shape), (1, by_operation), "{path}");
    }
}
