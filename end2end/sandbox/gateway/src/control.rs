//! `/_sandbox`: what the sandbox itself answers, to the Kubernetes side, to tests and to people.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse};
use axum::routing::{any, delete, get, post};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::{AwsError, json_answer};
use crate::call;
use crate::ecr::registry;
use crate::eks::tokens::{self, TokenError};
use crate::eks::{entries, instances};
use crate::faults::{Fault, Kind};
use crate::planes_api::PlaneFault;
use crate::proxy;
use crate::sandbox::Sandbox;

const START_PAGE: &str = include_str!("start_page.html");

/// Everything the gateway answers.
pub fn router(sandbox: Arc<Sandbox>) -> Router {
    let own = Router::new()
        .route("/_sandbox/", get(start_page))
        .route("/_sandbox/ready", get(ready))
        .route("/_sandbox/eks/{cluster}/verify", post(verify))
        .route("/_sandbox/eks/{cluster}/access", get(access))
        .route("/_sandbox/instances/{id}", get(instance))
        .route("/_sandbox/instances/{id}/credentials", get(credentials))
        .route("/_sandbox/faults", get(faults).post(add_fault).delete(end_faults))
        .route("/_sandbox/faults/{id}", delete(end_fault))
        .layer(middleware::from_fn(refuse_other_sites));
    Router::new()
        .merge(own)
        .route("/v2", any(image_registry))
        .route("/v2/", any(image_registry))
        .route("/v2/{*path}", any(image_registry))
        // The emulator's own control API would go round every check.
        .route("/_fakecloud/{*path}", any(nothing_here))
        .route("/_sandbox/{*path}", any(nothing_here))
        .fallback(aws)
        .with_state(sandbox)
}

async fn aws(State(sandbox): State<Arc<Sandbox>>, request: Request<Body>) -> Response<Body> {
    proxy::answer(&sandbox, request).await
}

async fn image_registry(State(sandbox): State<Arc<Sandbox>>, request: Request<Body>) -> Response<Body> {
    // API Gateway's own paths begin the same; those calls are signed.
    if call::scope_of(&request).is_some() {
        return proxy::answer(&sandbox, request).await;
    }
    registry::answer(&sandbox, request).await
}

async fn nothing_here() -> Response<Body> {
    AwsError::not_found("there is nothing here; see /_sandbox/").answer("eks")
}

/// The control API has no password, so a page of another site in a browser on this machine must not reach it,
/// not even under a name that its owner lets point to this machine.
async fn refuse_other_sites(headers: HeaderMap, request: Request<Body>, next: Next) -> Response<Body> {
    let host = call::header(&headers, "host").unwrap_or_default();
    let from_elsewhere = call::header(&headers, "sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let other_origin = call::header(&headers, "origin").is_some_and(|origin| origin.split_once("://").is_none_or(|(_, from)| from != host));
    if !is_this_machine(host) || from_elsewhere || other_origin {
        return (StatusCode::FORBIDDEN, "only pages of the sandbox itself may ask this\n").into_response();
    }
    next.run(request).await
}

/// Whether a `Host` header names the loopback interface by address, or as `localhost`.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn ready(State(sandbox): State<Arc<Sandbox>>) -> (StatusCode, &'static str) {
    match sandbox.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

async fn start_page(State(sandbox): State<Arc<Sandbox>>) -> Html<String> {
    let clusters = sandbox.book.read(|entries| entries.clusters.clone());
    let rows: String = clusters
        .iter()
        .map(|(name, record)| {
            let nodes: usize = record.node_groups.values().map(|group| group.instances.len()).sum();
            let status = format!("{:?}", sandbox.planes.status(name));
            format!(
                "<tr><td>{}</td><td>{}</td><td>{nodes}</td><td>{}</td><td><code>{}</code></td></tr>",
                escape(name),
                escape(&record.version),
                escape(&status),
                escape(&record.endpoint)
            )
        })
        .collect();
    let faults: String = sandbox.faults.list().iter().map(|(id, fault)| format!("<li>{id}: <code>{}</code></li>", escape(&json!(fault).to_string()))).collect();
    let page = START_PAGE
        .replace("{{endpoint}}", &format!("http://{}", sandbox.listen))
        .replace("{{account}}", &sandbox.cloud.account)
        .replace("{{region}}", &sandbox.cloud.region)
        .replace("{{clusters}}", if rows.is_empty() { "<tr><td colspan=5>none yet</td></tr>" } else { &rows })
        .replace("{{faults}}", if faults.is_empty() { "<li>none</li>" } else { &faults });
    Html(page)
}

fn escape(text: &str) -> String {
    crate::xml::escape(text).replace('"', "&quot;")
}

#[derive(serde::Deserialize)]
struct TokenBody {
    token: String,
}

async fn verify(State(sandbox): State<Arc<Sandbox>>, Path(cluster): Path<String>, axum::Json(body): axum::Json<TokenBody>) -> Response<Body> {
    if !tokens::is_cluster_name(&cluster) {
        return json_answer(StatusCode::UNAUTHORIZED, &json!({ "reason": "this is no cluster's name" }));
    }
    match tokens::verify(&sandbox, &cluster, &body.token).await {
        Ok(identity) => json_answer(StatusCode::OK, &json!(identity)),
        Err(TokenError::Refused(reason)) => {
            tracing::info!(cluster, key = tokens::key_of(&body.token), reason, "refused a token");
            json_answer(StatusCode::UNAUTHORIZED, &json!({ "reason": reason }))
        }
        Err(TokenError::Unjudged(error)) => {
            tracing::error!(error = format!("{error:#}"), "could not verify a token");
            json_answer(StatusCode::BAD_GATEWAY, &json!({ "reason": format!("{error:#}") }))
        }
    }
}

async fn access(State(sandbox): State<Arc<Sandbox>>, Path(cluster): Path<String>) -> Response<Body> {
    respond(entries::access(&sandbox, &cluster).await)
}

async fn instance(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response<Body> {
    respond(instances::describe(&sandbox, &id))
}

async fn credentials(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response<Body> {
    respond(instances::credentials(&sandbox, &id).await)
}

fn respond(result: Result<Value, AwsError>) -> Response<Body> {
    match result {
        Ok(value) => json_answer(StatusCode::OK, &value),
        Err(error) => error.answer("eks"),
    }
}

async fn faults(State(sandbox): State<Arc<Sandbox>>) -> Response<Body> {
    let list: Vec<Value> = sandbox
        .faults
        .list()
        .into_iter()
        .map(|(id, fault)| {
            let mut fault = json!(fault);
            fault["id"] = id.into();
            fault
        })
        .collect();
    json_answer(StatusCode::OK, &json!({ "faults": list }))
}

async fn add_fault(State(sandbox): State<Arc<Sandbox>>, body: bytes::Bytes) -> Response<Body> {
    let fault: Fault = match serde_json::from_slice(&body) {
        Ok(fault) => fault,
        Err(error) => return json_answer(StatusCode::BAD_REQUEST, &json!({ "reason": format!("this is no fault: {error}") })),
    };
    if let Err(error) = strike_cluster(&sandbox, &fault).await {
        return json_answer(StatusCode::BAD_REQUEST, &json!({ "reason": format!("{error:#}") }));
    }
    let id = sandbox.faults.add(fault.clone());
    if let (Some(_), Some(seconds)) = (fault.cluster(), fault.seconds) {
        let sandbox = Arc::clone(&sandbox);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            end(&sandbox, Some(id)).await;
        });
    }
    json_answer(StatusCode::CREATED, &json!({ "id": id }))
}

/// Passes a fault of a control plane or node on to the Kubernetes side.
async fn strike_cluster(sandbox: &Sandbox, fault: &Fault) -> anyhow::Result<()> {
    let (cluster, plane_fault) = match &fault.kind {
        Kind::ApiServerDown { cluster } => (cluster, PlaneFault::ApiServerDown),
        Kind::ApiServerSlow { cluster, millis } => (cluster, PlaneFault::ApiServerSlow(*millis)),
        Kind::NodeLost { cluster, node } => (cluster, PlaneFault::NodeLost(node.clone())),
        Kind::AwsThrottle | Kind::AwsError { .. } | Kind::AwsLatency { .. } | Kind::AwsAnswerLost | Kind::RegistryDown => return Ok(()),
    };
    sandbox.planes.fault(cluster, plane_fault).await
}

async fn end_faults(State(sandbox): State<Arc<Sandbox>>) -> Response<Body> {
    let ended = end(&sandbox, None).await;
    json_answer(StatusCode::OK, &json!({ "ended": ended }))
}

async fn end_fault(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<u64>) -> Response<Body> {
    match end(&sandbox, Some(id)).await {
        0 => json_answer(StatusCode::NOT_FOUND, &json!({ "reason": format!("there is no fault {id}") })),
        ended => json_answer(StatusCode::OK, &json!({ "ended": ended })),
    }
}

/// Ends faults; a cluster with none left is made whole, one with others gets those again.
async fn end(sandbox: &Sandbox, id: Option<u64>) -> usize {
    let ended = sandbox.faults.end(id);
    let mut clusters: Vec<&str> = ended.iter().filter_map(Fault::cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    for cluster in clusters {
        if let Err(error) = sandbox.planes.fault(cluster, PlaneFault::None).await {
            tracing::error!(cluster, error = format!("{error:#}"), "a cluster's faults could not be ended");
        }
        for (_, left) in sandbox.faults.list().into_iter().filter(|(_, left)| left.cluster() == Some(cluster)) {
            if let Err(error) = strike_cluster(sandbox, &left).await {
                tracing::error!(cluster, error = format!("{error:#}"), "a cluster's other fault could not be kept up");
            }
        }
    }
    ended.len()
}
