//! What the OpenAPI document says and what the router does, held against each other.

use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use server::rest::{document, shape};
use sqlx::PgPool;
use tower::ServiceExt as _;

use crate::{
    Expected, filled,
    fixture::{self, Who},
    portal,
    rest::{operations, table},
};

/// Asks as a browser of `who`, which may do whatever they may do at all.
async fn ask(portal: &axum::Router, who: Who, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, HeaderMap, axum::body::Bytes) {
    let mut request = Request::builder().method(method).uri(path).header("sec-fetch-site", "same-origin").header(header::IF_MATCH, "*");
    if let Some(secret) = who.secret() {
        request = request.header(header::COOKIE, format!("slipway={secret}"));
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| filled(&body.to_string()).into());
    let response = portal.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, 8 << 20).await.unwrap())
}

/// Why the answer is not what the operation promises.
fn broken(operation: &'static Value, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let answers = &operation["responses"];
    let is_error = status.is_client_error() || status.is_server_error();
    let promised = match &answers[status.as_str()] {
        Value::Null if is_error => &answers["default"],
        Value::Null => return Some(format!("{status} is not promised")),
        promised => promised,
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(|kind| kind.split(';').next().unwrap_or_default());
    let schema = match (promised["content"].as_object(), kind) {
        (None, None) => return (!body.is_empty()).then(|| "there is a body, and none is promised".into()),
        (None, Some(kind)) => return Some(format!("{kind} comes where no body is promised")),
        (Some(_), None) => return Some("no body comes, and one is promised".into()),
        (Some(content), Some(kind)) => match content.get(kind) {
            Some(promised) => &promised["schema"],
            None => return Some(format!("{kind} comes instead of {:?}", content.keys())),
        },
    };
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return Some(error.to_string()),
    };
    let name = |schema: &'static Value| schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let errors = match (name(schema), name(&schema["items"]), &value) {
        (Some(name), ..) => shape::wrong(name, &value).errors,
        (None, Some(name), Value::Array(items)) => items.iter().flat_map(|item| shape::wrong(name, item).errors).collect(),
        _ => return Some(format!("{schema} has no name")),
    };
    (!errors.is_empty()).then(|| format!("{errors:?} in {value}"))
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn answers_are_what_the_document_promises(pool: PgPool) {
    let portal = portal(&pool).await;
    let (mut wrong, mut done) = (Vec::new(), BTreeSet::new());
    for (name, path, need, body) in table() {
        let (_, method, template) = operations().into_iter().find(|(known, ..)| known == name).unwrap();
        let operation = &document::openapi()["paths"][&template][method.to_lowercase()];
        let able = [Who::Admin, Who::Owner].into_iter().find(|who| need.expected(*who) == Expected::Through).unwrap_or(Who::Owner);
        for who in [able, Who::OtherTeam, Who::Stranger] {
            fixture::fill(&pool).await;
            let (status, headers, answer) = ask(&portal, who, &method, &format!("/api/v1{}", filled(path)), body.as_ref()).await;
            if status.is_success() {
                done.insert(name);
            }
            if let Some(why) = broken(operation, status, &headers, &answer) {
                wrong.push(format!("{name} answers {who:?} with {status}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Where a cluster or AWS is asked there is none here to answer.
    assert!(done.len() > 50, "{} operations were done: {done:?}", done.len());
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_the_document_does_not_have_is_not_there(pool: PgPool) {
    let portal = portal(&pool).await;
    fixture::fill(&pool).await;
    for (template, item) in document::openapi()["paths"].as_object().unwrap() {
        let documented: BTreeSet<String> = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let path = format!("/api/v1{}", template.replace(['{', '}'], ""));
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"].into_iter().filter(|method| !documented.contains(*method)) {
            let (status, headers, _) = ask(&portal, Who::Admin, method, &path, None).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {template}: {status}");
            let allowed: BTreeSet<String> = headers[header::ALLOW].to_str().unwrap().split(',').map(str::to_owned).filter(|method| method != "HEAD").collect();
            assert_eq!(allowed, documented, "{template}");
        }
        for beyond in [format!("{path}/"), format!("{path}/hidden/more")] {
            assert_eq!(ask(&portal, Who::Admin, "GET", &beyond, None).await.0, StatusCode::NOT_FOUND, "{beyond}");
        }
    }
}
