//! What `sandbox up` was told: where its state lives, where it listens, which helper programs it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

/// The emulator release whose behaviour this gateway was written against.
pub const FAKECLOUD_VERSION: &str = "0.51.0";

/// What the nodes of the demo's `lab` cluster are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nodes {
    /// A kubelet on containerd: pods really run. Needs root, and there can be one per machine.
    Real,
    /// Nodes and pods that only look alive in the API.
    Simulated,
}

/// What to put into a new sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Seed {
    /// Roles, users, two clusters and repositories to show the portal with.
    Demo,
    /// An empty account with an administrator.
    None,
}

/// Options of `sandbox up`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Folder for everything the sandbox keeps; a second start on it goes on where the first stopped.
    #[arg(long)]
    pub state: PathBuf,
    /// Address of the AWS endpoint; the ports after it are used too.
    #[arg(long, default_value = "127.0.0.1:4566")]
    pub listen: SocketAddr,
    /// Whether the demo's `lab` cluster has a real node.
    #[arg(long, value_enum, default_value_t = Nodes::Real)]
    pub nodes: Nodes,
    /// What a new sandbox starts with.
    #[arg(long, value_enum, default_value_t = Seed::Demo)]
    pub seed: Seed,
    /// The account everything happens in.
    #[arg(long, default_value = "111122223333", value_parser = parse_account)]
    pub account: String,
    /// The default region; the emulator places instances correctly only in this one.
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// The AWS emulator's program; by default the one in the tools cache.
    #[arg(long, env = "SANDBOX_FAKECLOUD")]
    pub fakecloud: Option<PathBuf>,
    /// The program that is etcd, kube-apiserver, controller-manager, scheduler, kubelet and kubectl.
    #[arg(long, env = "SANDBOX_KUBE")]
    pub kube: Option<PathBuf>,
    /// The program that simulates nodes.
    #[arg(long, env = "SANDBOX_KWOK")]
    pub kwok: Option<PathBuf>,
    /// The program with the webhook, the credential provider and the image builder.
    #[arg(long, env = "SANDBOX_TOOLS")]
    pub tools: Option<PathBuf>,
    /// The list of the demo's images.
    #[arg(long, env = "SANDBOX_MODELS", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/catalogue.json"))]
    pub models: PathBuf,
    /// The static model server that goes into the demo's images.
    #[arg(long, env = "SANDBOX_MODEL_SERVER")]
    pub model_server: Option<PathBuf>,
}

impl Options {
    /// The port `offset` after the listen port.
    ///
    /// # Errors
    /// When that is beyond the last port.
    pub fn port(&self, offset: u16) -> Result<u16> {
        self.listen.port().checked_add(offset).with_context(|| format!("--listen {} leaves no room for port +{offset}", self.listen))
    }

    /// The programs of the Kubernetes side.
    ///
    /// # Errors
    /// When one is not named or not there.
    pub fn programs(&self) -> Result<planes::Programs> {
        Ok(planes::Programs {
            kube: named(self.kube.as_ref(), "the Kubernetes program", "SANDBOX_KUBE")?,
            kwok: named(self.kwok.as_ref(), "the program that simulates nodes", "SANDBOX_KWOK")?,
            tools: named(self.tools.as_ref(), "the program with the webhooks", "SANDBOX_TOOLS")?,
        })
    }

    /// The program that makes images, and the model server it puts into them.
    ///
    /// # Errors
    /// When one is not named or not there.
    pub fn image_programs(&self) -> Result<(PathBuf, PathBuf)> {
        Ok((named(self.tools.as_ref(), "the program that makes images", "SANDBOX_TOOLS")?, named(self.model_server.as_ref(), "the model server", "SANDBOX_MODEL_SERVER")?))
    }

    /// The emulator's program: the one named, or the one in the tools cache.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn fakecloud_program(&self) -> Result<PathBuf> {
        let program = match &self.fakecloud {
            Some(program) => program.clone(),
            None => tools_cache()?.join(format!("fakecloud-{FAKECLOUD_VERSION}/bin/fakecloud")),
        };
        require_file(&program, "the AWS emulator", "SANDBOX_FAKECLOUD")?;
        Ok(program)
    }
}

fn named(program: Option<&PathBuf>, what: &str, variable: &str) -> Result<PathBuf> {
    let program = program.with_context(|| format!("where is {what}? set {variable}"))?;
    require_file(program, what, variable)?;
    Ok(program.clone())
}

/// Fails with what to do when a helper program is missing.
///
/// # Errors
/// When `program` is not a file.
pub fn require_file(program: &Path, what: &str, variable: &str) -> Result<()> {
    if !program.is_file() {
        bail!("{what} is not at {}; install it or set {variable}", program.display());
    }
    Ok(())
}

/// The folder where clones of the project share their tools.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn tools_cache() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(cache.join("slipway/tools"))
}

fn parse_account(account: &str) -> Result<String, String> {
    if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) { Ok(account.to_owned()) } else { Err("an AWS account id has 12 digits".to_owned()) }
}
