//! `model-server`: serves the model in its image until it is told to stop.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use model_server::{
    card::Card,
    load::load,
    metrics::Metrics,
    routes::{Server, router},
    settings::Settings,
    state::State,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::{error, info};

/// How long requests that are under way may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> std::process::ExitCode {
    tracing_subscriber::fmt().with_ansi(false).with_target(false).init();
    let served = tokio::runtime::Runtime::new().context("cannot start threads").and_then(|runtime| {
        let served = runtime.block_on(serve());
        // A model that is still being loaded must not keep the process alive.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<()> {
    // As process 1 of a container, a signal without a handler would be ignored.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {},
            _ = interrupt.recv() => {},
        }
    };
    tokio::pin!(stop);

    let settings = Settings::from_env()?;
    let card = Card::read(&settings.folder)?;
    let state = State::default();
    let metrics = Metrics::new(&card.name, &card.version);
    let server = Arc::new(Server { name: card.name.clone(), version: card.version.clone(), state: state.clone(), metrics });

    let listener = TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;
    info!("listening on {}", listener.local_addr()?);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router(server.clone())).with_graceful_shutdown(async {
        // Either way it is time to stop.
        let _ = ended.await;
    });
    let serving = tokio::spawn(serving.into_future());

    let loading = load(&settings, card, &state, &server.metrics);
    let ballast = tokio::select! {
        loaded = loading => Some(loaded?),
        () = &mut stop => None,
    };
    if ballast.is_some() {
        stop.await;
    }
    info!("told to stop, finishing what is under way");
    state.stop();
    server.metrics.stopping();
    drop(end);
    match tokio::time::timeout(GRACE, serving).await {
        Ok(ended) => ended.context("the server was interrupted")?.context("the server failed")?,
        Err(_) => info!("some requests took longer than {} s and were cut off", GRACE.as_secs()),
    }
    drop(ballast);
    info!("stopped");
    Ok(())
}
