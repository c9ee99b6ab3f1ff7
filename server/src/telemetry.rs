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
use http::{Method, StatusCode};
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
/// `kube_client` warns with the whole of what it could not read, the environment of models included.
const DEFAULT_FILTER: &str = "info,sqlx=warn,aws=warn,hyper=warn,kube=warn,kube_client=error,opentelemetry=warn,reqwest=warn";

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
    let method = known(request.method()).to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let labels = [("route", route), ("method", method), ("status", response.status().as_u16().to_string())];
    metrics::histogram!("http_request_seconds", &labels).record(started.elapsed());
    response
}

/// The method as metrics name it. Anybody may send any word as one, and each would be kept for good.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS | Method::TRACE | Method::CONNECT => method.as_str(),
        _ => "other",
    }
}

/// Whether this replica can serve: the database answers. Clusters do not count, or a dead one would take the portal down.
pub async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    let asked = async {
        sqlx::query_scalar!("select 1 as one").fetch_one(&state.control.pool).await?;
        sqlx::query_scalar!("select 1 as one").fetch_one(&mut *state.control.reads.get().await?).await
    };
    match asked.await {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn};
    use tower::ServiceExt as _;
    use tracing::Level;

    use super::*;

    #[test]
    fn invented_methods_are_counted_as_one() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let router = Router::new().layer(from_fn(measure));
        metrics::with_local_recorder(&recorder, || {
            futures::executor::block_on(async {
                for method in ["BREW", "WHEN", "GET"] {
                    router.clone().oneshot(Request::builder().method(method).uri("/pot").body(Body::empty()).unwrap()).await.unwrap();
                }
            });
        });
        let drawn = metrics.render();
        let counts: Vec<&str> = drawn.lines().filter(|line| line.starts_with("http_request_seconds_count")).collect();
        assert_eq!(counts.len(), 2, "{drawn}");
        assert!(counts.iter().any(|line| line.contains(r#"method="other""#) && line.ends_with(" 2")), "{drawn}");
        assert!(counts.iter().any(|line| line.contains(r#"method="GET""#)), "{drawn}");
    }

    #[test]
    fn what_the_cluster_answered_is_not_logged_by_default() {
        let filter: Targets = DEFAULT_FILTER.parse().unwrap();
        assert!(!filter.would_enable("kube_client::client", &Level::WARN));
        assert!(filter.would_enable("kube_client::client", &Level::ERROR));
        assert!(filter.would_enable("kube_runtime::watcher", &Level::WARN), "what a watch says stays");
    }
}
