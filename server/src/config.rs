//! Everything the process is told, read once and checked at start.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

/// Slipway puts machine-learning models on Amazon EKS.
#[derive(Parser)]
#[command(
    name = "slipway",
    version,
    after_help = "Each setting is a flag or the variable beside it; the flag wins. `slipway help admin` says what can be done when nobody can sign in."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do; serving and working in one process when left out.
#[derive(Subcommand)]
pub enum Command {
    /// Serves pages and REST.
    Serve,
    /// Works: reconciles, watches, sweeps.
    Work,
    /// Brings the database's schema up to date.
    Migrate,
    /// Administers from the command line.
    Admin {
        #[command(subcommand)]
        command: Admin,
    },
}

/// Break-glass.
#[derive(Subcommand)]
pub enum Admin {
    /// Prints a one-time link with which somebody sets a new password.
    ResetPassword {
        /// Their e-mail address.
        email: String,
    },
    /// Walks the audit chain and says whether it is whole.
    VerifyAudit,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Settings, from flags or the environment.
#[derive(Args, Clone)]
pub struct Settings {
    /// The database. Without it the all-in-one process owns a private Postgres in its data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// Where the all-in-one process keeps its data.
    #[arg(long, env = "SLIPWAY_DATA", default_value = "slipway-data", global = true)]
    pub data: PathBuf,
    /// Where to listen.
    #[arg(long, env = "SLIPWAY_LISTEN", default_value = "127.0.0.1:3000", value_parser = address, global = true)]
    pub listen: SocketAddr,
    /// Where to listen for metrics; not for the public.
    #[arg(long, env = "SLIPWAY_METRICS_LISTEN", default_value = "127.0.0.1:3001", value_parser = address, global = true)]
    pub metrics_listen: SocketAddr,
    /// Where people reach the portal. Over anything but loopback this has to be HTTPS.
    #[arg(long, env = "SLIPWAY_PUBLIC_URL", default_value = "http://127.0.0.1:3000", value_parser = origin, global = true)]
    pub public_url: Url,
    /// How many proxies stand in front and append to X-Forwarded-For.
    #[arg(long, env = "SLIPWAY_TRUSTED_PROXIES", default_value_t = 0, value_parser = number::<u8>, global = true)]
    pub trusted_proxies: u8,
    /// The folder with the style sheet, the scripts and the icons.
    #[arg(long, env = "SLIPWAY_SITE", default_value = "target/site", global = true)]
    pub site: PathBuf,
    /// Connections to the database, of which requests read over a third.
    #[arg(long, env = "SLIPWAY_DATABASE_CONNECTIONS", default_value_t = 24, value_parser = number::<u32>, global = true)]
    pub database_connections: u32,
    /// Hours until an unused session ends.
    #[arg(long, env = "SLIPWAY_SESSION_IDLE_HOURS", default_value_t = 12, value_parser = number::<u32>, global = true)]
    pub session_idle_hours: u32,
    /// Days until finished operations are forgotten.
    #[arg(long, env = "SLIPWAY_OPERATION_RETENTION_DAYS", default_value_t = 90, value_parser = number::<u32>, global = true)]
    pub operation_retention_days: u32,
    /// How logs are written.
    #[arg(long, env = "SLIPWAY_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
}

// What cannot be read is said in the words of whoever sets it, not of a parser.

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, like 127.0.0.1:3000".into())
}

fn origin(text: &str) -> Result<Url, String> {
    text.parse().map_err(|_| "write an address, like https://slipway.example.com".into())
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "write a whole number".into())
}

impl Settings {
    /// # Errors
    /// For a setting that cannot work, naming it.
    pub fn check(&self) -> anyhow::Result<()> {
        let loopback = match self.public_url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        ensure!(
            self.public_url.scheme() == "https" || (self.public_url.scheme() == "http" && loopback),
            "SLIPWAY_PUBLIC_URL has to be https:// (http:// is for loopback only): {}",
            self.public_url
        );
        ensure!(self.public_url.path() == "/" && self.public_url.query().is_none(), "SLIPWAY_PUBLIC_URL has to be an origin without a path: {}", self.public_url);
        ensure!((4..=500).contains(&self.database_connections), "SLIPWAY_DATABASE_CONNECTIONS has to be 4 to 500");
        ensure!((1..=720).contains(&self.session_idle_hours), "SLIPWAY_SESSION_IDLE_HOURS has to be 1 to 720");
        ensure!((1..=3650).contains(&self.operation_retention_days), "SLIPWAY_OPERATION_RETENTION_DAYS has to be 1 to 3650");
        ensure!(self.listen != self.metrics_listen, "SLIPWAY_LISTEN and SLIPWAY_METRICS_LISTEN have to differ");
        Ok(())
    }

    /// How many of the connections requests read over; whoever serves none hardly reads without writing.
    #[must_use]
    pub fn reading_connections(&self, serves: bool) -> u32 {
        if serves { self.database_connections / 3 } else { 1 }
    }

    /// What operations need to know.
    #[must_use]
    pub fn control(&self, serves: bool) -> control::Settings {
        const HOUR: u64 = 3600;
        control::Settings {
            public_url: self.public_url.clone(),
            session_idle: Duration::from_secs(u64::from(self.session_idle_hours) * HOUR),
            session_lifetime: Duration::from_secs(14 * 24 * HOUR),
            link_lifetime: Duration::from_secs(7 * 24 * HOUR),
            operation_retention: Duration::from_secs(u64::from(self.operation_retention_days) * 24 * HOUR),
            reading_connections: self.reading_connections(serves),
            times: control::reconcile::Times::default(),
        }
    }
}
