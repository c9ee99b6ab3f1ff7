//! `slipway`: serves, works, migrates, administers.

use std::{net::SocketAddr, str::FromStr as _, sync::Arc};

use anyhow::Context as _;
use clap::Parser as _;
use control::{Control, db};
use leptos::config::LeptosOptions;
use server::{
    config::{Cli, Command, Settings},
    router,
    session::proxies::TrustedProxies,
    state::{AppState, Web},
    telemetry,
};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().map_err(|_| anyhow::anyhow!("a TLS provider was installed before ours"))?;
    let cli = Cli::parse();
    cli.settings.check()?;
    telemetry::init(cli.settings.log_format);
    let url = cli.settings.database_url.as_deref().context("DATABASE_URL is not set")?;
    let pool = db::connect(PgConnectOptions::from_str(url).context("DATABASE_URL cannot be read")?, cli.settings.database_connections).await?;
    db::migrate(&pool).await?;
    if matches!(cli.command, Some(Command::Migrate)) {
        return Ok(());
    }
    let control = Control::new(pool, cli.settings.control()).await?;
    let stop = CancellationToken::new();
    serve(&cli.settings, control, stop).await
}

async fn serve(settings: &Settings, control: Control, stop: CancellationToken) -> anyhow::Result<()> {
    let state = AppState {
        control,
        web: Arc::new(Web {
            options: LeptosOptions::builder().output_name("slipway").site_root(settings.site.display().to_string()).build(),
            style_sheet: "/pkg/slipway.css".into(),
            proxies: TrustedProxies(settings.trusted_proxies),
            openapi: String::new(),
        }),
    };
    let listener = TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;
    tracing::info!(address = %settings.listen, url = %settings.public_url, "serving");
    let app = router::router(state).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}
