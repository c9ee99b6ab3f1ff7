//! The Open Inference Protocol v2 over HTTP.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State as Extract},
    http::{StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::{error, info};

use crate::{
    metrics::Metrics,
    model::{InferError, Model},
    state::{Phase, State},
    tensor::{Named, WireTensor},
};

/// A request's size is capped: 4 MiB are more than ten thousand rows.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What every handler needs.
pub struct Server {
    /// The one model's name in URLs.
    pub name: String,
    /// Its version in URLs.
    pub version: String,
    /// How far it is.
    pub state: State,
    /// What is counted.
    pub metrics: Metrics,
}

/// Every route of the server.
pub fn router(server: Arc<Server>) -> Router {
    let infer = post(infer).route_layer(from_fn_with_state(server.clone(), measure));
    Router::new()
        .route("/v2", get(about))
        .route("/v2/health/live", get(async || Json(json!({ "live": true }))))
        .route("/v2/health/ready", get(ready))
        .route("/v2/repository/index", post(index))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", infer.clone())
        .route("/v2/models/{name}/versions/{version}", get(metadata))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{name}/versions/{version}/infer", infer)
        .route("/metrics", get(metrics))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(server)
}

/// An answer other than what was asked for, in the protocol's form.
struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self(status, why.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Proof that the URL names this server's model.
struct ThisModel;

impl FromRequestParts<Arc<Server>> for ThisModel {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Place {
            name: String,
            version: Option<String>,
        }
        let Path(place) = Path::<Place>::from_request_parts(parts, server).await.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        if place.name != server.name {
            let why = format!("there is no model {:?} here, only {:?}", place.name, server.name);
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        }
        match place.version {
            Some(version) if version != server.version => {
                let why = format!("there is no version {version:?} of {} here, only {:?}", server.name, server.version);
                Err(Refusal::new(StatusCode::NOT_FOUND, why))
            }
            _ => Ok(Self),
        }
    }
}

impl Server {
    /// The model, if it is there to answer. While stopping it answers what came before.
    fn model(&self) -> Result<Arc<Model>, Refusal> {
        match self.state.phase() {
            Phase::Ready(model) | Phase::Stopping(Some(model)) => Ok(model),
            phase => Err(self.not_ready(&phase)),
        }
    }

    /// Whether more requests are welcome.
    fn ready(&self) -> Result<(), Refusal> {
        match self.state.phase() {
            Phase::Ready(_) => Ok(()),
            phase => Err(self.not_ready(&phase)),
        }
    }

    fn not_ready(&self, phase: &Phase) -> Refusal {
        let how = match phase {
            Phase::Loading => "is still loading".to_owned(),
            Phase::Unfit(why) => format!("is not ready: {why}"),
            Phase::Ready(_) | Phase::Stopping(_) => "is stopping".to_owned(),
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("{} {} {how}", self.name, self.version))
    }
}

async fn about() -> Json<Value> {
    Json(json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"), "extensions": ["model_repository"] }))
}

async fn ready(Extract(server): Extract<Arc<Server>>) -> Result<Json<Value>, Refusal> {
    server.ready().map(|()| Json(json!({ "ready": true })))
}

async fn model_ready(_: ThisModel, Extract(server): Extract<Arc<Server>>) -> Result<Json<Value>, Refusal> {
    server.ready().map(|()| Json(json!({ "name": server.name, "ready": true })))
}

async fn metadata(_: ThisModel, Extract(server): Extract<Arc<Server>>) -> Result<Json<Value>, Refusal> {
    let model = server.model()?;
    Ok(Json(json!({
        "name": server.name,
        "versions": [server.version],
        "platform": "onnx_onnxv1",
        "inputs": model.inputs(),
        "outputs": model.outputs(),
        "parameters": model.card().parameters,
    })))
}

/// The model repository extension: how a caller learns the name of the model that is served here.
async fn index(Extract(server): Extract<Arc<Server>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    #[derive(Default, Deserialize)]
    struct Which {
        #[serde(default)]
        ready: bool,
    }
    let which: Which = if body.is_empty() {
        Which::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the request is not understood: {error}")))?
    };
    let (state, reason) = match server.ready() {
        Ok(()) => ("READY", String::new()),
        Err(Refusal(_, why)) => ("UNAVAILABLE", why),
    };
    if which.ready && state != "READY" {
        return Ok(Json(json!([])));
    }
    Ok(Json(json!([{ "name": server.name, "version": server.version, "state": state, "reason": reason }])))
}

#[derive(Deserialize)]
struct InferRequest {
    id: Option<String>,
    inputs: Vec<Named<WireTensor>>,
    outputs: Option<Vec<RequestedOutput>>,
}

#[derive(Deserialize)]
struct RequestedOutput {
    name: String,
}

async fn infer(_: ThisModel, Extract(server): Extract<Arc<Server>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let asked = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
    let model = server.model()?;
    let request: InferRequest = serde_json::from_slice(&body).map_err(|error| asked(format!("the request is not understood: {error}")))?;
    for output in request.outputs.iter().flatten() {
        if !model.outputs().iter().any(|known| known.name == output.name) {
            return Err(asked(format!("there is no output {:?}", output.name)));
        }
    }
    let failed = |error: anyhow::Error| {
        error!("inference failed: {error:#}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the model failed on this request")
    };
    // A large batch must not hold up health checks.
    let mut outputs = tokio::task::spawn_blocking(move || model.infer(&request.inputs)).await.map_err(|error| failed(error.into()))?.map_err(|error| match error {
        InferError::Asked(why) => asked(why),
        InferError::Failed(error) => failed(error),
    })?;
    if let Some(wanted) = request.outputs.filter(|wanted| !wanted.is_empty()) {
        outputs.retain(|output| wanted.iter().any(|wanted| wanted.name == output.name));
    }
    let mut answer = json!({ "model_name": server.name, "model_version": server.version, "outputs": outputs });
    if let Some(id) = request.id {
        answer["id"] = id.into();
    }
    Ok(Json(answer))
}

/// Counts and logs each inference, refused ones too.
async fn measure(Extract(server): Extract<Arc<Server>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let response = next.run(request).await;
    let took = started.elapsed();
    let code = response.status().as_u16();
    server.metrics.answered(code, took);
    info!("infer answered {code} in {:.2} ms", took.as_secs_f64() * 1000.0);
    response
}

async fn metrics(Extract(server): Extract<Arc<Server>>) -> Result<Response, Refusal> {
    let text = server.metrics.text().map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
