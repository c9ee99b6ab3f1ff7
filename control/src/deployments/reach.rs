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

use crate::{
    Control, Error, Result,
    k8s::{self, Kind},
};

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

/// Why there is no answer.
pub(super) enum Failed {
    /// The replica went meanwhile, or its node is silent: nothing was sent, so another may be asked.
    Gone(Box<Rejected>),
    Otherwise(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Gone(rejected) => rejected.into(),
            Failed::Otherwise(error) => error,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Otherwise(error)
    }
}

impl From<Rejected> for Failed {
    fn from(rejected: Rejected) -> Self {
        Self::Otherwise(rejected.into())
    }
}

impl From<k8s::Error> for Failed {
    fn from(error: k8s::Error) -> Self {
        Self::Otherwise(error.into())
    }
}

/// Sends one request and reads the answer, both capped.
///
/// # Errors
/// `model_unavailable` when it does not answer usefully or went, `timeout`, and what the cluster says.
pub(super) async fn send(control: &Control, replica: &Replica<'_>, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, Failed> {
    let asked = async {
        let client = control.k8s.as_team(control, replica.cluster, replica.team, TeamRole::Deployer, replica.person).await?;
        exchange(client, replica, method, path, body).await
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Rejected::new(Code::Timeout, format!("The model did not answer within {} seconds.", LIMIT.as_secs())).into()),
    }
}

async fn exchange(client: kube::Client, replica: &Replica<'_>, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, Failed> {
    let pods: Api<Pod> = Api::namespaced(client, replica.namespace);
    let stream = k8s::forward::connect(&pods, replica.pod, replica.port).await.map_err(unreached)?;
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

/// What it means that there is no way to a replica. That there is no such pod says nothing about the deployment that was asked for.
fn unreached(error: k8s::Error) -> Failed {
    if error.spares_the_cluster() {
        // Nothing was sent either, and another replica may be on another node.
        return Failed::Gone(Box::new(Rejected::new(Code::ModelUnavailable, error.sentence()).with_raw(error.raw())));
    }
    match error.kind {
        Kind::NotFound | Kind::Invalid => {
            let gone = Rejected::new(Code::ModelUnavailable, "The replica is not there any more, or does not run just now.");
            Failed::Gone(Box::new(gone.with_raw(error.raw())))
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::TeamId;

    use super::*;

    /// What comes of a request to a replica when the API server answers with this status.
    async fn asked(status: u16) -> Failed {
        let service = tower::service_fn(move |_: Request<kube::client::Body>| async move {
            let text = format!(r#"{{"kind":"Status","status":"Failure","message":"word for word","reason":"x","code":{status}}}"#);
            Ok::<_, k8s::Error>(http::Response::builder().status(status).body(kube::client::Body::from(text.into_bytes())).unwrap())
        });
        let replica = Replica { cluster: ClusterId::generate(), team: TeamId::generate(), namespace: "forecasting", pod: "iris-1", port: 8080, person: "ada" };
        match exchange(kube::Client::new(service, "default"), &replica, Method::POST, "/", None).await {
            Ok(answer) => panic!("answered {}", answer.status),
            Err(failed) => failed,
        }
    }

    #[tokio::test]
    async fn a_replica_that_went_is_an_unavailable_model_and_not_a_missing_deployment() {
        for status in [404, 400] {
            let failed = asked(status).await;
            assert!(matches!(failed, Failed::Gone(_)), "{status}");
            assert!(Error::from(failed).is(Code::ModelUnavailable), "{status}");
        }
        let silent = Error::from(asked(500).await);
        assert_eq!(
            silent.rejected().unwrap().message,
            "The node of this replica does not answer the cluster's API server. If that lasts, a platform admin has to look at the node."
        );
        let denied = asked(403).await;
        assert!(matches!(&denied, Failed::Otherwise(error) if error.is(Code::ClusterDenied)));
    }
}
