//! Sends a request to a model.

use domain::{
    Code, Rejected,
    access::TeamAction,
    ids::DeploymentId,
    names::HttpPath,
    operation::ObjectKind,
    serving::{PredictRequest, Prediction, Protocol},
};
use http::Method;
use hyper::body::Bytes;

use super::{
    authorize,
    reach::{self, Failed},
    store::{self, Found, Served, ServingPod},
};
use crate::{
    Ctx, Error, Result,
    audit::{self, Event},
};

/// Sends a request to a ready replica, through the API server and as the team's deployer, and gives its answer with the time it took.
/// Where that replica turns out to be gone, another one is asked, once.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`; `too_large` over 1 MiB; `model_unavailable` when no replica is ready or it does not
/// answer usefully; `timeout` after 30 seconds; what the cluster says.
pub async fn predict(ctx: &Ctx, id: DeploymentId, request: &PredictRequest) -> Result<Prediction> {
    ctx.attempt("deployment.predict", ObjectKind::Deployment, Some(id.0));
    let mut conn = ctx.read().await?;
    let found = authorize(&mut conn, ctx, id, TeamAction::Predict).await?;
    let mut served = store::served(&mut conn, id, None).await?;
    let path = path(&served, request)?;
    let body = serde_json::to_vec(&request.body)?;
    if body.len() > reach::MAX_ANSWER {
        return Err(Rejected::new(Code::TooLarge, format!("A request to a model may hold {} KiB.", reach::MAX_ANSWER / 1024)).into());
    }
    let pod = served.pod.take().ok_or_else(|| Rejected::new(Code::ModelUnavailable, format!("No replica of {} is ready. How the deployment stands says why.", found.name)))?;
    // Nothing is held while the model thinks.
    drop(conn);
    // What goes in and out is not recorded, only that it was sent.
    let sent = Event::new("deployment.predict", ObjectKind::Deployment, id.0, &found.name).of_team(found.team, &found.team_name);
    audit::record(&mut *ctx.write().await?, ctx, sent).await?;
    let body = Bytes::from(body);
    let first = ask(ctx, &found, &served, &pod, &path, &body).await;
    let (pod, answer) = match first {
        Err(Failed::Gone(gone)) => match another(ctx, id, &pod, &served).await? {
            Some(pod) => {
                let answer = ask(ctx, &found, &served, &pod, &path, &body).await?;
                (pod, answer)
            }
            None => return Err(gone.into()),
        },
        answer => (pod, answer?),
    };
    let revision = store::newest_alike(&mut *ctx.read().await?, id, &[pod.revision]).await?.get(&pod.revision).copied().unwrap_or(pod.revision);
    let body = match serde_json::from_slice(&answer.body) {
        Ok(json) if answer.content_type.is_empty() || answer.content_type.contains("json") => json,
        _ => serde_json::Value::String(String::from_utf8_lossy(&answer.body).into_owned()),
    };
    Ok(Prediction { status: answer.status, body, latency_ms: answer.took.as_secs_f64() * 1000.0, pod: pod.name, revision })
}

async fn ask(ctx: &Ctx, found: &Found, served: &Served, pod: &ServingPod, path: &str, body: &Bytes) -> Result<reach::Answer, Failed> {
    let person = ctx.actor().kubernetes_name();
    let replica = reach::Replica {
        cluster: found.cluster,
        team: found.team,
        namespace: &found.workspace_name,
        pod: &pod.name,
        port: u16::try_from(served.port).map_err(|error| Error::Fault(error.into()))?,
        person: &person,
    };
    reach::send(ctx.control(), &replica, Method::POST, path, Some(body.clone())).await
}

/// Another ready replica that takes the very same request.
async fn another(ctx: &Ctx, id: DeploymentId, gone: &ServingPod, served: &Served) -> Result<Option<ServingPod>> {
    let now = store::served(&mut *ctx.read().await?, id, Some(&gone.name)).await?;
    let alike = (now.protocol, now.port, &now.name) == (served.protocol, served.port, &served.name);
    Ok(now.pod.filter(|_| alike))
}

/// Where the protocol takes requests; for plain HTTP, where the caller says.
fn path(served: &Served, request: &PredictRequest) -> Result<String, Rejected> {
    let named = request.path.as_deref().map(str::trim).filter(|path| !path.is_empty());
    match (served.protocol, named) {
        (Protocol::Http, named) => HttpPath::parse(named.unwrap_or("/")).map(HttpPath::into_string).map_err(|message| Rejected::field("path", message)),
        (Protocol::OpenInferenceV2, Some(_)) => Err(Rejected::field("path", "This model speaks the Open Inference Protocol, which says where requests go. Leave the path out.")),
        (Protocol::OpenInferenceV2, None) => {
            let name: String = url::form_urlencoded::byte_serialize(served.name.as_bytes()).collect();
            Ok(format!("/v2/models/{name}/infer"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(protocol: Protocol) -> Served {
        Served { protocol, port: 8080, name: "iris/../x".into(), pod: None }
    }

    fn to(path: Option<&str>) -> PredictRequest {
        PredictRequest { body: serde_json::json!({}), path: path.map(str::to_owned) }
    }

    #[test]
    fn a_request_goes_where_the_protocol_says() {
        assert_eq!(path(&served(Protocol::OpenInferenceV2), &to(None)).unwrap(), "/v2/models/iris%2F..%2Fx/infer");
        assert!(path(&served(Protocol::OpenInferenceV2), &to(Some("/metrics"))).is_err());
        assert_eq!(path(&served(Protocol::Http), &to(Some("/invocations"))).unwrap(), "/invocations");
        assert_eq!(path(&served(Protocol::Http), &to(None)).unwrap(), "/");
        for hostile in ["http://evil/", "/a b", "/a\r\nHost: evil", "//x#y"] {
            assert!(path(&served(Protocol::Http), &to(Some(hostile))).is_err(), "{hostile}");
        }
    }
}
