//! Serving: the listener, and what pages are dressed with.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use control::Control;
use leptos::config::LeptosOptions;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    live::OpenStreams,
    router,
    session::proxies::TrustedProxies,
    state::{AppState, Web},
};

/// The longest that an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// What handlers share.
#[must_use]
pub fn state(control: Control, site: &Path, proxies: TrustedProxies) -> AppState {
    let style_sheet = format!("/pkg/slipway.css?v={}", version(&site.join("pkg/slipway.css")));
    let options = LeptosOptions::builder().output_name("slipway").site_root(site.display().to_string()).build();
    AppState { control, web: Arc::new(Web { options, style_sheet: style_sheet.into(), proxies, streams: OpenStreams::default(), patience: PATIENCE }) }
}

/// Serves pages and REST until stopped; requests under way are finished, event streams are not waited for.
///
/// # Errors
/// When the address is taken.
pub async fn run(settings: &Settings, control: Control, stop: CancellationToken) -> anyhow::Result<()> {
    let style_sheet = settings.site.join("pkg/slipway.css");
    anyhow::ensure!(
        style_sheet.exists(),
        "SLIPWAY_SITE is not a built site: {} is missing. Build it with scripts/site.sh, or set SLIPWAY_SITE to its folder.",
        style_sheet.display()
    );
    let listener = TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {} (SLIPWAY_LISTEN)", settings.listen))?;
    tracing::info!(address = %settings.listen, url = %settings.public_url, "serving");
    let app = router::router(state(control, &settings.site, TrustedProxies(settings.trusted_proxies))).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        served = serving => served.context("serving failed"),
        () = patience => Ok(()),
    }
}

/// Changes with the file, so that browsers may keep it for good.
fn version(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    Sha256::digest(bytes)[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
