//! `sandbox`: an AWS with real Kubernetes behind it, on one machine.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::config::Options;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(name = "sandbox", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a sandbox in the foreground; Ctrl-C stops it and leaves nothing running.
    Up(Box<Options>),
    /// Ends and removes what a killed sandbox left on this machine: processes, and a real node's mounts and network.
    Clean {
        /// The folder it kept its state in.
        #[arg(long)]
        state: PathBuf,
    },
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = std::io::stderr();
    let colours = stderr.is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("no threads could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match command {
        Command::Up(options) => runtime.block_on(gateway::up::up(*options)),
        Command::Clean { state } => runtime.block_on(gateway::up::clean(&state)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
