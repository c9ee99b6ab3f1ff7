//! `slipway`: serves, works, migrates, administers.

// Views are types, and the pages that are drawn here are deep ones.
#![recursion_limit = "512"]

use std::{process::ExitCode, str::FromStr as _};

use anyhow::Context as _;
use clap::Parser as _;
use control::{Control, db, links};
use server::{
    admin,
    config::{Cli, Command, Settings},
    postgres::PrivatePostgres,
    serve, telemetry,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In words: what went wrong here is for whoever started it, and is rarely a matter of the code.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().map_err(|_| anyhow::anyhow!("a TLS provider was installed before ours"))?;
    let cli = Cli::parse();
    cli.settings.check()?;
    let telemetry = telemetry::init(cli.settings.log_format)?;
    let stop = stop_on_signal()?;
    let outcome = match (&cli.command, cli.settings.database_url.is_none()) {
        (None, true) => {
            let own = PrivatePostgres::start(&cli.settings.data).await?;
            let outcome = run(&cli, own.options(), &telemetry, stop).await;
            own.stop().await?;
            outcome
        }
        (Some(Command::Admin { .. }), true) => {
            let (own, started) = PrivatePostgres::visit(&cli.settings.data).await?;
            let outcome = run(&cli, own.options(), &telemetry, stop).await;
            if started {
                own.stop().await?;
            }
            outcome
        }
        _ => {
            let url = cli
                .settings
                .database_url
                .as_deref()
                .with_context(|| format!("DATABASE_URL is not set. Set it to an address like {DATABASE_URL}; only the all-in-one `slipway` brings a Postgres of its own."))?;
            run(&cli, database(url)?, &telemetry, stop).await
        }
    };
    telemetry.flush();
    outcome
}

const DATABASE_URL: &str = "postgres://user:password@host:5432/slipway";

/// What is wrong with an address is not repeated: a password may be in it.
fn database(url: &str) -> anyhow::Result<PgConnectOptions> {
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    PgConnectOptions::from_str(url).ok().filter(|_| is_postgres).with_context(|| format!("DATABASE_URL cannot be read. Set it to an address like {DATABASE_URL}."))
}

async fn run(cli: &Cli, database: PgConnectOptions, telemetry: &telemetry::Telemetry, stop: CancellationToken) -> anyhow::Result<()> {
    let serves = matches!(cli.command, None | Some(Command::Serve));
    let pool = db::connect(database, cli.settings.database_connections - cli.settings.reading_connections(serves)).await?;
    match &cli.command {
        Some(Command::Migrate) => {
            db::migrate(&pool).await?;
            println!("The database's schema is up to date.");
            return Ok(());
        }
        None => db::migrate(&pool).await?,
        Some(_) => db::check_migrated(&pool).await?,
    }
    let control = Control::new(pool.clone(), cli.settings.control(serves)).await?;
    let reads = control.reads.clone();
    match &cli.command {
        Some(Command::Admin { command }) => admin::run(control, command).await,
        Some(Command::Serve) => long_lived(&cli.settings, control, telemetry, stop, Roles { serve: true, work: false }).await,
        Some(Command::Work) => long_lived(&cli.settings, control, telemetry, stop, Roles { serve: false, work: true }).await,
        None | Some(Command::Migrate) => long_lived(&cli.settings, control, telemetry, stop, Roles { serve: true, work: true }).await,
    }?;
    reads.close();
    close(pool).await;
    Ok(())
}

struct Roles {
    serve: bool,
    work: bool,
}

/// Runs until stopped or until one part fails, which stops the others.
async fn long_lived(settings: &Settings, control: Control, telemetry: &telemetry::Telemetry, stop: CancellationToken, roles: Roles) -> anyhow::Result<()> {
    telemetry.serve(settings, stop.clone()).await?;
    if roles.serve
        && let Some(link) = links::ensure_first_admin(&control).await?
    {
        // Standard output, not the log: logs are collected, and this is a secret.
        println!("Nobody administers this installation yet. Become its first admin, once, at\n  {link}");
    }
    let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let listening = (control.clone(), stop.clone());
    parts.spawn(async move {
        listening.0.live.run(&listening.0.pool, listening.1).await;
        Ok(())
    });
    if roles.serve {
        let (settings, control, stop) = (settings.clone(), control.clone(), stop.clone());
        parts.spawn(async move { serve::run(&settings, control, stop).await });
    }
    if roles.work {
        let watching = (control.clone(), stop.clone());
        parts.spawn(async move { control::observed::run(watching.0, watching.1).await });
        let working = (control.clone(), stop.clone());
        parts.spawn(async move { control::work::run(working.0, working.1).await });
    }
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        stop.cancel();
        if let Err(error) = ended.context("a part of the process stopped").and_then(|result| result) {
            outcome = Err(error);
        }
    }
    outcome
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        token.cancel();
    });
    Ok(stop)
}

async fn close(pool: PgPool) {
    if tokio::time::timeout(std::time::Duration::from_secs(5), pool.close()).await.is_err() {
        tracing::warn!("some database connections did not close in time");
    }
}
