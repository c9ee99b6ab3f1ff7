//! Logs, traces, metrics and health.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::request_id::RequestId;
use tracing::Span;
use tracing_subscriber::{Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    config::{LogFormat, Settings},
    state::AppState,
};

/// What is logged and traced unless `RUST_LOG` says otherwise. Of the exporter's own requests no traces are made: each would make the next.
const DEFAULT_FILTER: &str = "info,sqlx=warn,aws=warn,hyper=warn,kube=warn,opentelemetry=warn,reqwest=warn";

/// What has to be flushed at the end.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: PrometheusHandle,
}

/// Starts logging and metrics, and traces when `OTEL_EXPORTER_OTLP_ENDPOINT` says where to.
///
/// # Errors
/// When `RUST_LOG` cannot be read, the exporter cannot be made, or it was started before.
pub fn init(format: LogFormat) -> anyhow::Result<Telemetry> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) if !wanted.is_empty() => wanted.parse::<Targets>().context("RUST_LOG cannot be read: it is a level, or pairs like control=debug,sqlx=warn")?,
        _ => DEFAULT_FILTER.parse::<Targets>().context("the default filter cannot be read")?,
    };
    let log = match format {
        LogFormat::Json => tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).boxed(),
    };
    let traces = match std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Some(_) => {
            let exporter = SpanExporter::builder().with_http().build().context("the OTLP exporter cannot be made")?;
            Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(Resource::builder().with_service_name("slipway").build()).build())
        }
        None => None,
    };
    let spans = traces.as_ref().map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer("slipway")).with_filter(filter.clone()));
    tracing_subscriber::registry().with(log.with_filter(filter.clone())).with(spans).init();
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])?
        .install_recorder()
        .context("metrics were started before")?;
    Ok(Telemetry { traces, metrics })
}

impl Telemetry {
    /// Serves `/metrics` on an address of its own until stopped.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn serve(&self, settings: &Settings, stop: CancellationToken) -> anyhow::Result<()> {
        let listener = TcpListener::bind(settings.metrics_listen).await.with_context(|| format!("cannot listen on {} (SLIPWAY_METRICS_LISTEN)", settings.metrics_listen))?;
        let handle = self.metrics.clone();
        let upkeep = self.metrics.clone();
        let routes = axum::Router::new().route("/metrics", axum::routing::get(async move || handle.render()));
        tokio::spawn(async move {
            let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
            let keeping = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    upkeep.run_upkeep();
                }
            };
            tokio::select! {
                served = serving => if let Err(error) = served { tracing::error!(%error, "metrics are not served any more") },
                () = keeping => {}
            }
        });
        Ok(())
    }

    /// Sends what is still buffered.
    pub fn flush(self) {
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// A request's span: method and path, never the query, which may hold what people search for.
pub fn span<B>(request: &http::Request<B>) -> Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    let path = match request.uri().path() {
        // The secret of a one-time link is in its path.
        path if path.starts_with("/links/") => "/links/…",
        path => path,
    };
    tracing::info_span!("request", method = %request.method(), path, id)
}

/// Counts and times requests by route, never by what is in the path.
pub async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let method = request.method().to_string();
    let started = Instant::now();
    let response = next.run(request).await;
    let labels = [("route", route), ("method", method), ("status", response.status().as_u16().to_string())];
    metrics::histogram!("http_request_seconds", &labels).record(started.elapsed());
    response
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
