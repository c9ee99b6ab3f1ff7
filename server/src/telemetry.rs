//! Logs, traces, metrics and health.

use axum::{extract::State, http::Request};
use http::StatusCode;
use tower_http::request_id::RequestId;
use tracing::Span;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{config::LogFormat, state::AppState};

/// Starts logging.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,aws=warn,hyper=warn,kube=warn"));
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).init(),
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init(),
    }
}

/// A request's span: method and path, never the query, which may hold what people search for.
pub fn span<B>(request: &Request<B>) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let path = match request.uri().path() {
        // The secret of a one-time link is in its path.
        path if path.starts_with("/links/") => "/links/…",
        path => path,
    };
    tracing::info_span!("request", method = %request.method(), path, id)
}

/// Whether this replica can serve: the database answers. Clusters do not count, or a dead one would take the portal down.
pub async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    match sqlx::query_scalar!("select 1 as one").fetch_one(&state.control.pool).await {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}
