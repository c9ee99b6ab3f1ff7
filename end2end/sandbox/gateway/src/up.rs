//! `sandbox up`: starts the parts in order, stays until told to stop, and stops them in the other order.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use planes::{Planes, PlanesConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::cloud::Cloud;
use crate::config::{Nodes, Options};
use crate::control;
use crate::eks::resume;
use crate::emulator::Emulator;
use crate::http_client::HttpClient;
use crate::planes_api::ControlPlanes;
use crate::sandbox::Sandbox;
use crate::seed;

/// What runs, so that it can be stopped.
#[derive(Default)]
struct Parts {
    emulator: Option<Emulator>,
    planes: Option<Arc<Planes>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// Runs a sandbox until SIGINT or SIGTERM.
///
/// # Errors
/// When a part cannot be started, or ends by itself. Nothing is left running then.
pub async fn up(options: Options) -> Result<()> {
    let mut stop = StopSignals::new()?;
    let _lock = prepare_state(&options)?;
    let mut parts = Parts::default();
    let result = tokio::select! {
        result = run(&options, &mut parts) => result,
        () = stop.received() => Ok(()),
    };
    tracing::info!("stopping");
    parts.stop().await;
    remove(&options.state, "env");
    remove(&options.state, "kubeconfig");
    result
}

/// Removes the processes, network devices and mounts that a killed sandbox left.
///
/// # Errors
/// When a sandbox runs on this state folder, or something will not go.
pub async fn clean(state: &Path) -> Result<()> {
    if state.is_dir() {
        let _lock = lock(state)?;
        Emulator::end_left_over(state).await?;
        for name in ["env", "kubeconfig"] {
            remove(state, name);
        }
    }
    planes::clean_up(&state.join("kubernetes"))
}

async fn run(options: &Options, parts: &mut Parts) -> Result<()> {
    if options.nodes == Nodes::Real && !nix::unistd::geteuid().is_root() {
        bail!("a real node needs root; use --nodes simulated, on which no model really runs");
    }
    let listener = listen(options).await?;
    let http = HttpClient::new();
    let emulator_address = (options.listen.ip(), options.port(1)?).into();
    parts.emulator = Some(Emulator::start(options, emulator_address, &http).await?);
    tracing::info!("the AWS emulator answers");

    let config = PlanesConfig { state: options.state.join("kubernetes"), gateway_port: options.listen.port(), programs: options.programs()? };
    let planes = Arc::new(Planes::start(config).await.context("start the Kubernetes side")?);
    parts.planes = Some(Arc::clone(&planes));
    tracing::info!("etcd and the webhooks answer");

    let cloud = Cloud::new(http.clone(), emulator_address, &options.account, &options.region);
    let sandbox = Arc::new(Sandbox::new(options.listen, &options.state, cloud, http, planes as Arc<dyn ControlPlanes>)?);
    let router = control::router(Arc::clone(&sandbox));
    parts.server = Some(tokio::spawn(async move { axum::serve(listener, router).await }));

    resume::resume(&sandbox).await.context("take up the clusters of the last run")?;
    seed::seed(options, &sandbox).await.context("put the first things in place")?;
    sandbox.set_ready();
    tracing::info!("ready: AWS answers on http://{0}, what is what on http://{0}/_sandbox/", options.listen);

    let (Some(emulator), Some(server)) = (parts.emulator.as_mut(), parts.server.as_mut()) else {
        bail!("the sandbox lost its parts");
    };
    tokio::select! {
        status = emulator.ended() => bail!("the AWS emulator ended by itself: {}", status.context("look after the AWS emulator")?),
        ended = server => bail!("the gateway ended by itself: {ended:?}"),
    }
}

impl Parts {
    /// Nodes and control planes call the gateway as they leave, and the gateway calls the emulator: so in this order.
    async fn stop(self) {
        if let Some(planes) = self.planes {
            planes.shutdown().await;
        }
        if let Some(server) = self.server {
            server.abort();
        }
        if let Some(emulator) = self.emulator {
            emulator.stop().await;
        }
    }
}

/// Makes the state folder, for its owner only, and holds it for this sandbox.
fn prepare_state(options: &Options) -> Result<File> {
    let state = &options.state;
    DirBuilder::new().recursive(true).mode(0o700).create(state).with_context(|| format!("make the state folder {}", state.display()))?;
    lock(state)
}

fn lock(state: &Path) -> Result<File> {
    let path = state.join("lock");
    let lock = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    if lock.try_lock().is_err() {
        bail!("another sandbox uses the state folder {}", state.display());
    }
    Ok(lock)
}

/// Listens for clients. The helpers' ports are looked at by those who start them, after what a killed sandbox left is ended.
///
/// # Errors
/// When the port is busy, or not on this machine's loopback.
async fn listen(options: &Options) -> Result<TcpListener> {
    if !options.listen.ip().is_loopback() {
        bail!("--listen {} is not a loopback address: the sandbox lets anyone who reaches it in", options.listen);
    }
    TcpListener::bind(options.listen).await.with_context(|| format!("port {} is busy; choose another --listen (the ports after it are used too)", options.listen.port()))
}

/// Removes a file of keys that no longer open anything.
fn remove(state: &Path, name: &str) {
    let path = state.join(name);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "{} could not be removed", path.display()),
    }
}

/// The signals that ask the sandbox to stop. Once asked, more of them change nothing: half a stop would leave things behind.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?, terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
