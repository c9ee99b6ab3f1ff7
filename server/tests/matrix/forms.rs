//! Every page and every operation of every form.

use std::collections::BTreeSet;

use app::buttons;
use axum::body::Body;
use http::{Request, StatusCode, header};
use sqlx::PgPool;
use tower::ServiceExt as _;

use crate::{
    Expected, Need, filled,
    fixture::{self, Who},
    portal,
};

const ROUTER: &str = include_str!("../../src/router.rs");

/// `(address as the router has it, the same with the fixture's ids, what it takes)`
const PAGES: &[(&str, &str, Need)] = &[
    ("/sign-in", "/sign-in", Need::Nothing),
    ("/sign-out", "/sign-out", Need::Nothing),
    ("/links/{secret}", "/links/invited", Need::Nothing),
    ("/profile", "/profile", Need::SignIn),
    ("/users", "/users", Need::PlatformSee),
    ("/users/{id}", "/users/{user}", Need::PlatformSee),
    ("/clusters", "/clusters", Need::PlatformSee),
    ("/clusters/new", "/clusters/new", Need::PlatformManage),
    ("/clusters/{id}", "/clusters/{cluster}", Need::PlatformSee),
    ("/live/clusters/{id}", "/live/clusters/{cluster}", Need::PlatformSee),
    ("/", "/", Need::SignIn),
    ("/deployments", "/deployments", Need::SignIn),
    ("/deployments/new", "/deployments/new", Need::SignIn),
    ("/deployments/{id}", "/deployments/{deployment}", Need::See),
    ("/deployments/{id}/logs", "/deployments/{deployment}/logs", Need::See),
    ("/deployments/{id}/logs/download", "/deployments/{deployment}/logs/download", Need::See),
    ("/deployments/{id}/change", "/deployments/{deployment}/change", Need::Deploy),
    ("/live/deployments/{id}", "/live/deployments/{deployment}", Need::See),
    ("/workspaces", "/workspaces", Need::SignIn),
    ("/workspaces/{id}", "/workspaces/{workspace}", Need::See),
    ("/live/workspaces/{id}", "/live/workspaces/{workspace}", Need::See),
    ("/operations", "/operations", Need::SignIn),
    ("/operations/{id}", "/operations/{operation}", Need::See),
    ("/live/operations/{id}", "/live/operations/{operation}", Need::See),
    ("/audit", "/audit", Need::SignIn),
    ("/reference", "/reference", Need::SignIn),
    ("/teams/{id}/tokens", "/teams/{team}/tokens", Need::ManageTokens),
    ("/accounts", "/accounts", Need::PlatformSee),
    ("/accounts/{id}", "/accounts/{account}", Need::PlatformSee),
    ("/models", "/models", Need::SignIn),
    ("/models/{id}", "/models/{model}", Need::See),
    ("/models/{id}/releases/new", "/models/{model}/releases/new", Need::Deploy),
    ("/releases/{id}", "/releases/{release}", Need::See),
    ("/teams", "/teams", Need::SignIn),
    ("/teams/{id}", "/teams/{team}", Need::See),
];

/// `(address with the fixture's ids, the button's operation, other fields, what it takes)`
const FORMS: &[(&str, &str, &str, Need)] = &[
    ("/sign-in", "", "email=nobody&password=x", Need::Nothing),
    ("/sign-out", "", "", Need::Nothing),
    ("/links/invited", "", "name=x&password=short&password_again=short", Need::Nothing),
    ("/profile", "rename", "name=x", Need::SignIn),
    ("/profile", "change_password", "current_password=x&new_password=y&password_again=y", Need::SignIn),
    ("/profile", "revoke_session", "session={session}", Need::Own),
    ("/profile", "create_token", "token_name=x&days=3", Need::SignIn),
    ("/profile", "revoke_token", "token={token}&confirm=ci", Need::ManageTokens),
    ("/users", "invite", "email=newer@example.com", Need::PlatformManage),
    ("/users", "revoke_invitation", "link={link}", Need::PlatformManage),
    ("/users/{user}", "update", "name=x&platform_role=none", Need::PlatformManage),
    ("/users/{user}", "disable", "confirm=somebody@example.com", Need::PlatformManage),
    ("/users/{user}", "enable", "", Need::PlatformManage),
    ("/clusters/new", "attach", "account=main&region=us-east-1&eks_name=fleet", Need::PlatformManage),
    ("/clusters/{cluster}", "check", "", Need::PlatformManage),
    ("/clusters/{cluster}", "set_up_access", "", Need::PlatformManage),
    ("/clusters/{cluster}", "accept_database", "confirm=lab", Need::PlatformManage),
    ("/clusters/{cluster}", "set_connection", "server=http://lab.example", Need::PlatformManage),
    ("/clusters/{cluster}", "detach", "confirm=lab", Need::PlatformManage),
    ("/deployments/new", "deploy", "release={release}&workspace={workspace}&name=tulips&size=tiny&replicas=1", Need::Deploy),
    ("/deployments/new", "check", "release={release}&workspace={workspace}&name=tulips&size=tiny&replicas=1", Need::SignIn),
    ("/deployments/{deployment}", "roll_back", "revision=1", Need::Deploy),
    ("/deployments/{deployment}", "take_over", "", Need::Deploy),
    ("/deployments/{deployment}", "resume_rollout", "", Need::Deploy),
    ("/deployments/{deployment}", "cancel", "operation={operation}", Need::Deploy),
    ("/deployments/{deployment}", "predict", "body={}", Need::Predict),
    ("/deployments/{deployment}", "delete", "confirm=iris", Need::Delete),
    ("/deployments/{deployment}/change", "check", "replicas=2", Need::Deploy),
    ("/deployments/{deployment}/change", "change", "size=tiny&replicas=2", Need::Deploy),
    ("/workspaces", "create", "name=tulips&team=forecasting&cluster=lab&cpu=1&memory=1&gpus=0&pods=3", Need::PlatformManage),
    ("/workspaces/{workspace}", "update", "cpu=9&memory=20&gpus=0&pods=60", Need::AdminOnTeam),
    ("/workspaces/{workspace}", "adopt", "", Need::AdminOnTeam),
    ("/workspaces/{workspace}", "keep", "", Need::AdminOnTeam),
    ("/workspaces/{workspace}", "repair", "", Need::AdminOnTeam),
    ("/workspaces/{workspace}", "delete", "confirm=forecasting", Need::AdminOnTeam),
    ("/operations/{operation}", "cancel", "", Need::Deploy),
    ("/teams/{team}/tokens", "create_token", "name=x&role=viewer&days=3", Need::ManageTokens),
    ("/teams/{team}/tokens", "revoke_token", "token={token}&confirm=ci", Need::ManageTokens),
    ("/accounts", "create", "name=other&regions=us-east-1", Need::PlatformManage),
    ("/accounts/{account}", "check", "", Need::PlatformManage),
    ("/accounts/{account}", "update", "role_arn=&regions=eu-west-1", Need::PlatformManage),
    ("/accounts/{account}", "add_prefix", "prefix=growth/&team=growth", Need::PlatformManage),
    ("/accounts/{account}", "remove_prefix", "taken=forecasting/&confirm=forecasting/", Need::PlatformManage),
    ("/accounts/{account}", "delete", "confirm=main", Need::PlatformManage),
    ("/models", "create", "team=forecasting&name=tulips", Need::DeployNamed),
    ("/models/{model}", "update", "description=x", Need::Deploy),
    ("/models/{model}", "delete", "confirm=iris", Need::Delete),
    ("/models/{model}/releases/new", "enter", "repository=forecasting/iris&tag=1", Need::Deploy),
    ("/models/{model}/releases/new", "look", "repository=forecasting/iris", Need::Deploy),
    ("/models/{model}/releases/new", "choose", "repository=forecasting/iris", Need::Deploy),
    ("/models/{model}/releases/new", "register", "repository=forecasting/iris&tag=1", Need::Deploy),
    ("/releases/{release}", "delete", "confirm=iris 1", Need::Delete),
    ("/teams", "create", "name=new-team&owner=somebody@example.com", Need::PlatformManage),
    ("/teams/{team}", "update", "description=x", Need::Manage),
    ("/teams/{team}", "set_member", "email=somebody@example.com&role=viewer", Need::Manage),
    ("/teams/{team}", "remove_member", "user={user}&confirm=somebody@example.com", Need::Manage),
    ("/teams/{team}", "delete", "confirm=forecasting", Need::AdminOnTeam),
];

/// What the router says: every address, and whether it takes forms.
fn routes() -> Vec<(String, bool)> {
    let pages = &ROUTER[ROUTER.find("pub fn pages()").unwrap()..ROUTER.find("/// The whole portal.").unwrap()];
    pages
        .split(".route(")
        .skip(1)
        .map(|route| {
            let address = route.split('"').nth(1).unwrap().to_owned();
            (address, route.contains("post("))
        })
        .collect()
}

#[test]
fn the_tables_have_every_address() {
    let known: BTreeSet<String> = PAGES.iter().map(|(address, ..)| (*address).to_owned()).collect();
    let routed: BTreeSet<String> = routes().into_iter().map(|(address, _)| address).collect();
    assert_eq!(routed, known);
}

/// An address that takes forms has the buttons that [`buttons::EVERY`] says, or none that says what it does.
#[test]
fn the_tables_have_every_button_and_no_other() {
    let mut there = BTreeSet::new();
    for (address, _) in routes().into_iter().filter(|(_, posts)| *posts) {
        let words = buttons::EVERY.iter().find(|(known, _)| *known == address).map_or(&[""][..], |(_, words)| words);
        let (_, filled, _) = PAGES.iter().find(|(known, ..)| *known == address).unwrap();
        there.extend(words.iter().map(|word| (*filled, *word)));
    }
    let known: BTreeSet<(&str, &str)> = FORMS.iter().map(|(address, word, ..)| (*address, *word)).collect();
    let addressed = buttons::EVERY.iter().all(|(address, _)| PAGES.iter().any(|(known, ..)| known == address));
    assert!(addressed, "every button belongs to an address of the router");
    assert_eq!(there, known);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_button_that_a_page_does_not_have_does_nothing(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    for (address, _) in buttons::EVERY {
        let (_, path, _) = PAGES.iter().find(|(known, ..)| known == address).unwrap();
        for who in [Who::Admin, Who::Owner] {
            let (status, location) = visit(&portal, who, "POST", &filled(path), Some("do=explode".into())).await;
            assert!(matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{who:?} {path}: {status} {location}");
        }
    }
}

async fn visit(portal: &axum::Router, who: Who, method: &str, path: &str, form: Option<String>) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin");
    if let Some(secret) = who.secret() {
        request = request.header(header::COOKIE, format!("slipway={secret}"));
    }
    if form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let response = portal.clone().oneshot(request.body(form.map_or(Body::empty(), Body::from)).unwrap()).await.unwrap();
    let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
    (response.status(), location)
}

fn fits(expected: Expected, status: StatusCode, location: &str) -> bool {
    match expected {
        // Whoever posted a form signs in on the spot, where what was typed waits.
        Expected::Unauthenticated => status == StatusCode::UNAUTHORIZED || status == StatusCode::SEE_OTHER && location.starts_with("/sign-in"),
        Expected::Through => !location.starts_with("/sign-in") && crate::fits(expected, status),
        Expected::Forbidden | Expected::Hidden | Expected::Unnamed => crate::fits(expected, status),
    }
}

/// Sessions belong to people: a team's token opens no page.
fn people() -> impl Iterator<Item = Who> {
    Who::ALL.into_iter().filter(|who| *who != Who::TeamToken)
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn everybody_sees_what_the_table_says(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    let mut wrong = Vec::new();
    for (_, path, need) in PAGES {
        for who in people() {
            let (status, location) = visit(&portal, who, "GET", &filled(path), None).await;
            let expected = need.expected(who);
            // A stream is no place to sign in at: it says so instead of leading there.
            let right = if path.starts_with("/live/") { crate::fits(expected, status) } else { fits(expected, status, &location) };
            if !right {
                wrong.push(format!("{who:?} GET {path}: expected {expected:?}, got {status} {location}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn everybody_does_what_the_table_says(pool: PgPool) {
    let portal = portal(&pool).await;
    let mut wrong = Vec::new();
    for (path, operation, fields, need) in FORMS {
        for who in people() {
            fixture::fill(&pool).await;
            let (status, location) = visit(&portal, who, "POST", &filled(path), Some(format!("do={operation}&{}", filled(fields)))).await;
            let expected = need.expected(who);
            if !fits(expected, status, &location) {
                wrong.push(format!("{who:?} POST {path} {operation}: expected {expected:?}, got {status} {location}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn another_site_changes_nothing(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    for (path, operation, fields, _) in FORMS {
        let request = Request::post(filled(path))
            .header("sec-fetch-site", "cross-site")
            .header(header::COOKIE, format!("slipway={}", Who::Admin.secret().unwrap()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("do={operation}&{}", filled(fields))))
            .unwrap();
        assert_eq!(portal.clone().oneshot(request).await.unwrap().status(), StatusCode::FORBIDDEN, "{path} {operation}");
    }
}
