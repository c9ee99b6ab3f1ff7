//! Talks HTTP to a replica, through the API server.

use std::time::{Duration, Instant};

use domain::{
    Code, Rejected,
    access::TeamRole,
    ids::{ClusterId, TeamId},
};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::{Control, Result, k8s};

/// The most an answer may hold.
pub(super) const MAX_ANSWER: usize = 1 << 20;
/// The most a request may take, reaching the pod included.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Which replica, for whom.
pub(super) struct Replica<'a> {
    pub cluster: ClusterId,
    pub team: TeamId,
    pub namespace: &'a str,
    pub pod: &'a str,
    pub port: u16,
    /// As Kubernetes' audit log names whoever asks.
    pub person: &'a str,
}

/// What it answered.
pub(super) struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

/// Sends one request and reads the answer, both capped.
///
/// # Errors
/// `model_unavailable` when it does not answer usefully, `timeout`, and what the cluster says.
pub(super) async fn send(control: &Control, replica: &Replica<'_>, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer> {
    match tokio::time::timeout(LIMIT, exchange(control, replica, method, path, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(Rejected::new(Code::Timeout, format!("The model did not answer within {} seconds.", LIMIT.as_secs())).into()),
    }
}

async fn exchange(control: &Control, replica: &Replica<'_>, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer> {
    let client = control.k8s.as_team(control, replica.cluster, replica.team, TeamRole::Deployer, replica.person).await?;
    let pods: Api<Pod> = Api::namespaced(client, replica.namespace);
    let stream = k8s::forward::connect(&pods, replica.pod, replica.port).await?;
    let unavailable = |what: &str, error: &dyn std::fmt::Display| Rejected::new(Code::ModelUnavailable, format!("The model {what}.")).with_raw(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unavailable("did not take the connection", &error))?;
    // Ends by itself when the sender is dropped.
    let pump = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, format!("{}:{}", replica.pod, replica.port)).header(header::ACCEPT, "application/json");
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(body.unwrap_or_default())).map_err(|error| Rejected::field("path", format!("This path cannot be asked for: {error}.")))?;
    let begun = Instant::now();
    let answer = sender.send_request(request).await.map_err(|error| unavailable("broke off the connection", &error))?;
    let (parts, incoming) = answer.into_parts();
    let body = Limited::new(incoming, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| unavailable(&format!("answered with more than {} KiB, or broke off", MAX_ANSWER / 1024), &error))?
        .to_bytes();
    let took = begun.elapsed();
    pump.abort();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    Ok(Answer { status: parts.status.as_u16(), content_type, body, took })
}
