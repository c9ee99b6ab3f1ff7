//! Every operation of the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;
use tower::ServiceExt as _;

use crate::{
    Need, ask, filled, fits,
    fixture::{self, Who},
    portal,
};

const ROUTER: &str = include_str!("../../src/router.rs");

/// `(operation id, path with the fixture's ids, what it takes, a body that is well-formed)`
pub fn table() -> Vec<(&'static str, &'static str, Need, Option<Value>)> {
    vec![
        ("get_me", "/me", Need::SignIn, None),
        ("change_password", "/me/password", Need::Browser, Some(json!({"current_password": "x", "new_password": "y"}))),
        ("list_sessions", "/me/sessions", Need::Browser, None),
        ("end_session", "/me/sessions/00000000-0000-0000-0000-000000000001", Need::Browser, None),
        ("list_users", "/users", Need::PlatformSee, None),
        ("get_user", "/users/{user}", Need::PlatformSee, None),
        ("update_user", "/users/{user}", Need::PlatformManage, Some(json!({"name": "x"}))),
        ("list_invitations", "/invitations", Need::PlatformSee, None),
        ("create_invitation", "/invitations", Need::PlatformManage, Some(json!({"email": "newer@example.com"}))),
        ("revoke_invitation", "/invitations/{link}", Need::PlatformManage, None),
        ("list_tokens", "/tokens", Need::SignIn, None),
        ("create_token", "/tokens", Need::Browser, Some(json!({"name": "x", "days": 3}))),
        ("revoke_token", "/tokens/{token}", Need::ManageTokens, None),
        ("list_team_tokens", "/teams/{team}/tokens", Need::ManageTokens, None),
        ("list_workspaces", "/workspaces", Need::SignIn, None),
        (
            "create_workspace",
            "/workspaces",
            Need::PlatformManage,
            Some(json!({"name": "new-workspace", "team": "forecasting", "cluster": "lab", "quota": {"cpu_millis": 1000, "memory_mib": 1024, "pods": 10}})),
        ),
        ("get_workspace", "/workspaces/{workspace}", Need::See, None),
        ("update_workspace", "/workspaces/{workspace}", Need::AdminOnTeam, Some(json!({"quota": {"cpu_millis": 9000, "memory_mib": 16384, "pods": 50}}))),
        ("repair_workspace", "/workspaces/{workspace}/repair", Need::AdminOnTeam, None),
        ("keep_workspace", "/workspaces/{workspace}/keep", Need::AdminOnTeam, None),
        ("delete_workspace", "/workspaces/{workspace}", Need::AdminOnTeam, None),
        ("list_deployments", "/deployments", Need::SignIn, None),
        ("count_deployments", "/deployments/counts", Need::SignIn, None),
        ("create_deployment", "/deployments", Need::Deploy, Some(json!({"release": "{release}", "workspace": "{workspace}", "name": "new-deployment"}))),
        ("preview_deployment", "/deployments/preview", Need::Deploy, Some(json!({"release": "{release}", "workspace": "{workspace}", "name": "new-deployment"}))),
        ("get_deployment", "/deployments/{deployment}", Need::See, None),
        ("change_deployment", "/deployments/{deployment}", Need::Deploy, Some(json!({"replicas": 2}))),
        ("preview_change", "/deployments/{deployment}/preview", Need::Deploy, Some(json!({"replicas": 2}))),
        ("delete_deployment", "/deployments/{deployment}", Need::Delete, None),
        ("list_revisions", "/deployments/{deployment}/revisions", Need::See, None),
        ("roll_back_deployment", "/deployments/{deployment}/rollback", Need::Deploy, Some(json!({"revision": 7}))),
        ("predict", "/deployments/{deployment}/predict", Need::Predict, Some(json!({"body": {}}))),
        ("read_logs", "/deployments/{deployment}/logs", Need::See, None),
        ("list_operations", "/operations", Need::SignIn, None),
        ("get_operation", "/operations/{operation}", Need::See, None),
        ("cancel_operation", "/operations/{operation}/cancel", Need::Deploy, None),
        ("list_audit_events", "/audit", Need::SignIn, None),
        ("list_teams", "/teams", Need::SignIn, None),
        ("create_team", "/teams", Need::PlatformManage, Some(json!({"name": "new-team", "owner": "somebody@example.com"}))),
        ("get_team", "/teams/{team}", Need::See, None),
        ("update_team", "/teams/{team}", Need::Manage, Some(json!({"description": "x"}))),
        ("delete_team", "/teams/{team}", Need::AdminOnTeam, None),
        ("list_members", "/teams/{team}/members", Need::See, None),
        ("list_team_prefixes", "/teams/{team}/prefixes", Need::See, None),
        ("set_member", "/teams/{team}/members", Need::Manage, Some(json!({"email": "somebody@example.com", "role": "viewer"}))),
        ("remove_member", "/teams/{team}/members/{user}", Need::Manage, None),
        ("list_accounts", "/accounts", Need::PlatformSee, None),
        ("create_account", "/accounts", Need::PlatformManage, Some(json!({"name": "other", "regions": ["us-east-1"]}))),
        ("get_account", "/accounts/{account}", Need::PlatformSee, None),
        ("update_account", "/accounts/{account}", Need::PlatformManage, Some(json!({"regions": ["eu-west-1"]}))),
        ("delete_account", "/accounts/{account}", Need::PlatformManage, None),
        ("check_account", "/accounts/{account}/check", Need::PlatformManage, None),
        ("get_account_policy", "/accounts/{account}/policy", Need::PlatformSee, None),
        ("add_prefix", "/accounts/{account}/prefixes", Need::PlatformManage, Some(json!({"prefix": "growth/", "team": "growth"}))),
        ("remove_prefix", "/accounts/{account}/prefixes?prefix=forecasting%2F", Need::PlatformManage, None),
        ("list_repositories", "/repositories?team=forecasting", Need::SeeNamed, None),
        ("list_images", "/repositories/images?team=forecasting&repository=forecasting%2Firis", Need::SeeNamed, None),
        ("list_clusters", "/clusters", Need::PlatformSee, None),
        ("find_clusters", "/clusters/found", Need::PlatformManage, None),
        ("attach_cluster", "/clusters", Need::PlatformManage, Some(json!({"account": "main", "region": "us-east-1", "eks_name": "fleet"}))),
        ("get_cluster", "/clusters/{cluster}", Need::PlatformSee, None),
        ("detach_cluster", "/clusters/{cluster}", Need::PlatformManage, None),
        ("check_cluster", "/clusters/{cluster}/check", Need::PlatformManage, None),
        ("get_cluster_access", "/clusters/{cluster}/access", Need::PlatformSee, None),
        ("set_up_cluster_access", "/clusters/{cluster}/access", Need::PlatformManage, None),
        ("get_cluster_connection", "/clusters/{cluster}/connection", Need::PlatformSee, None),
        ("set_cluster_connection", "/clusters/{cluster}/connection", Need::PlatformManage, Some(json!({"server": "http://lab.example"}))),
        ("list_newer_things", "/clusters/{cluster}/newer", Need::PlatformSee, None),
        ("accept_database", "/clusters/{cluster}/accept-database", Need::PlatformManage, None),
        ("list_nodes", "/clusters/{cluster}/nodes", Need::PlatformSee, None),
        ("list_models", "/models", Need::SignIn, None),
        ("create_model", "/models", Need::DeployNamed, Some(json!({"team": "forecasting", "name": "tulips"}))),
        ("get_model", "/models/{model}", Need::See, None),
        ("update_model", "/models/{model}", Need::Deploy, Some(json!({"description": "x"}))),
        ("delete_model", "/models/{model}", Need::Delete, None),
        ("list_releases", "/releases", Need::SignIn, None),
        ("create_release", "/releases", Need::Deploy, Some(json!({"model": "{model}", "repository": "forecasting/iris", "tag": "1"}))),
        ("get_release", "/releases/{release}", Need::See, None),
        ("delete_release", "/releases/{release}", Need::Delete, None),
    ]
}

/// What answers everybody: it says nothing about anybody's things.
const OPEN: &[(&str, &str)] = &[
    ("/openapi.json", "/api/v1/openapi.json"),
    ("/problems/{code}", "/api/v1/problems/not_found"),
    ("/docs", "/api/v1/docs"),
    ("/docs/{*path}", "/api/v1/docs/index.html"),
    ("/api/{*path}", "/api/v2/teams"),
    ("/icon.svg", "/icon.svg"),
    ("/livez", "/livez"),
    ("/readyz", "/readyz"),
];

#[test]
fn what_is_open_is_listed() {
    let rest = &ROUTER[ROUTER.find("/// The whole portal.").unwrap()..];
    let routed: BTreeSet<&str> = rest.split(".route(").chain(rest.split(".route_service(")).filter_map(|route| route.strip_prefix('"')?.split('"').next()).collect();
    assert_eq!(routed, OPEN.iter().map(|(address, _)| *address).collect());
    // The API itself and the files of the site.
    assert_eq!(rest.matches(".nest(").count() + rest.matches(".nest_service(").count(), 2);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_open_says_the_same_to_everybody(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    for (_, path) in OPEN {
        let mut answers = Vec::new();
        // A token that nobody gave out is refused wherever tokens are looked at.
        for who in Who::ALL.into_iter().filter(|who| *who != Who::Garbage) {
            answers.push(open(&portal, who, path).await);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
    }
}

async fn open(portal: &axum::Router, who: Who, path: &str) -> (http::StatusCode, axum::body::Bytes) {
    let mut request = http::Request::get(path);
    if let Some(secret) = who.secret() {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {secret}"));
    }
    let response = portal.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    (response.status(), axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap())
}

pub fn operations() -> Vec<(String, String, String)> {
    let document = server::rest::document::openapi();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((operation["operationId"].as_str().unwrap().to_owned(), method.to_uppercase(), path.clone()));
        }
    }
    operations
}

#[test]
fn the_table_has_every_operation_and_no_other() {
    let mut documented: Vec<String> = operations().into_iter().map(|(name, ..)| name).collect();
    let mut known: Vec<String> = table().into_iter().map(|(name, ..)| name.to_owned()).collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn everybody_gets_what_the_table_says(pool: PgPool) {
    let portal = portal(&pool).await;
    let mut wrong = Vec::new();
    for (name, path, need, body) in table() {
        let (_, method, template) = operations().into_iter().find(|(known, ..)| known == name).unwrap();
        assert_eq!(template.split('/').count(), path.split('/').count(), "{name} is at {template}");
        for who in Who::ALL {
            fixture::fill(&pool).await;
            let (status, answer) = ask(&portal, who, &method, &format!("/api/v1{}", filled(path)), body.as_ref()).await;
            let expected = need.expected(who);
            if !fits(expected, status) {
                wrong.push(format!("{who:?} {method} {path}: expected {expected:?}, got {status} {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_is_hidden_looks_like_what_does_not_exist(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    for (name, path, need, body) in table() {
        if !path.contains('{') || need.expected(Who::OtherTeam) != crate::Expected::Hidden {
            continue;
        }
        let (_, method, _) = operations().into_iter().find(|(known, ..)| known == name).unwrap();
        let real = ask(&portal, Who::OtherTeam, &method, &format!("/api/v1{}", filled(path)), body.as_ref()).await;
        let nothing = path
            .replace('{', "\u{1}")
            .split('\u{1}')
            .map(str::to_owned)
            .reduce(|path, rest| format!("{path}00000000-0000-0000-0000-00000000dead{}", &rest[rest.find('}').unwrap() + 1..]))
            .unwrap();
        let unreal = ask(&portal, Who::OtherTeam, &method, &format!("/api/v1{nothing}"), body.as_ref()).await;
        assert_eq!(real, unreal, "{method} {path}");
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn refusals_are_on_the_record(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    ask(&portal, Who::Viewer, "PATCH", &filled("/api/v1/teams/{team}"), Some(&json!({"description": "mine"}))).await;
    let (action, outcome, actor): (String, String, String) = sqlx::query_as("select action, outcome::text, actor_name from audit_events").fetch_one(&pool).await.unwrap();
    assert_eq!((action.as_str(), outcome.as_str()), ("team.update", "refused"));
    assert!(actor.ends_with(", with token matrix"), "{actor}");
}

/// Whether an operation takes `If-Match` is written in the document and true of the handler.
#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn if_match_is_asked_for_where_the_document_says(pool: PgPool) {
    let portal = portal(&pool).await;
    let document = server::rest::document::openapi();
    for (name, path, _, body) in table() {
        fixture::fill(&pool).await;
        let (_, method, template) = operations().into_iter().find(|(known, ..)| known == name).unwrap();
        let parameters = document["paths"][&template][method.to_lowercase()]["parameters"].as_array().unwrap();
        let if_match = parameters.iter().find(|parameter| parameter["name"] == "If-Match");
        let promised = if_match.is_some_and(|if_match| if_match["required"] == true);
        let mut request = http::Request::builder().method(method.as_str()).uri(format!("/api/v1{}", filled(path)));
        request = request.header("authorization", format!("Bearer {}", Who::Admin.secret().unwrap())).header("content-type", "application/json");
        let body = body.map_or_else(axum::body::Body::empty, |body| filled(&body.to_string()).into());
        let status = portal.clone().oneshot(request.body(body).unwrap()).await.unwrap().status();
        assert_eq!(status == http::StatusCode::PRECONDITION_REQUIRED, promised, "{name}: {status}");
    }
}

/// What says that it checks `If-Match` does, whether it has to be there or not.
#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn if_match_is_checked_where_the_document_says(pool: PgPool) {
    let portal = portal(&pool).await;
    let document = server::rest::document::openapi();
    for (name, path, need, body) in table() {
        fixture::fill(&pool).await;
        let (_, method, template) = operations().into_iter().find(|(known, ..)| known == name).unwrap();
        let parameters = document["paths"][&template][method.to_lowercase()]["parameters"].as_array().unwrap();
        let told = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
        let who = Who::ALL.into_iter().find(|who| need.expected(*who) == crate::Expected::Through).unwrap_or(Who::Admin);
        let mut request = http::Request::builder().method(method.as_str()).uri(format!("/api/v1{}", filled(path)));
        request =
            request.header("authorization", format!("Bearer {}", who.secret().unwrap_or_default())).header("content-type", "application/json").header("if-match", "\"987654\"");
        let body = body.map_or_else(axum::body::Body::empty, |body| filled(&body.to_string()).into());
        let status = portal.clone().oneshot(request.body(body).unwrap()).await.unwrap().status();
        assert_eq!(status == http::StatusCode::PRECONDITION_FAILED, told, "{name} as {who:?}: {status}");
    }
}
