//! A control plane: API server, controllers and scheduler of one cluster.

mod arguments;
mod bootstrap;
mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::config::{PlanesConfig, ensure_free, private_file, private_folder};
use crate::egress::Egress;
use crate::etcd::Etcd;
use crate::keeper::Keeper;
use crate::kubeconfig::{self, Server};
use crate::part::{Health, Part, Recipe};
use crate::pki::{Authority, Leaf, Subject};
use crate::relay::{Manner, Relay};
use crate::simulated;
use crate::spec::{PlaneInfo, PlaneSpec, PlaneStatus};
use crate::version::Minor;
use crate::wait;
use crate::webhook::Webhook;
use arguments::Setting;
use files::Files;

const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// An API server waits for its watchers to leave, which they do not. By then it has answered everyone else.
const GRACE: Duration = Duration::from_secs(2);
/// Two seconds on an idle machine; the rest is for busy ones.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// What is kept about a plane between runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) spec: PlaneSpec,
    /// Which pair of ports it has.
    pub(crate) slot: u16,
}

impl Record {
    const FILE: &str = "plane.json";

    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(Self::FILE);
        match std::fs::read(&path) {
            Ok(body) => serde_json::from_slice(&body).with_context(|| format!("reading {}", path.display())).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn write(&self, folder: &Path) -> Result<()> {
        private_folder(folder)?;
        private_file(&folder.join(Self::FILE), &serde_json::to_string_pretty(self).context("writing a plane's record")?)
    }
}

/// What the planes of a sandbox share.
pub(crate) struct Shared {
    pub(crate) config: PlanesConfig,
    pub(crate) keeper: Keeper,
    pub(crate) etcd: Etcd,
    pub(crate) webhook: Webhook,
    pub(crate) egress: Egress,
    /// Becomes true when everything is to stop.
    pub(crate) closing: tokio::sync::watch::Sender<bool>,
}

impl Shared {
    /// Does something that may take long, unless everything is to stop meanwhile.
    pub(crate) async fn unless_closing<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closing = self.closing.subscribe();
        tokio::select! {
            done = work => done,
            _closed = closing.wait_for(|closing| *closing) => bail!("the sandbox is stopping"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Creating,
    Active,
    Updating,
    Failed(String),
}

pub(crate) struct Plane {
    shared: Arc<Shared>,
    folder: PathBuf,
    record: Mutex<Record>,
    files: Files,
    authority: Authority,
    /// As the break-glass administrator, past the relay.
    api: Api,
    relay: Relay,
    parts: Mutex<Vec<Arc<Part>>>,
    phase: Mutex<Phase>,
    /// Private DNS names of the nodes' instances by instance id.
    instances: Mutex<BTreeMap<String, String>>,
    /// Whether it is stopped for good.
    gone: AtomicBool,
    /// Whether it has simulated nodes, which something has to keep alive.
    simulates: AtomicBool,
    /// Starting, updating and stopping take turns.
    turn: tokio::sync::Mutex<()>,
}

/// A poisoned lock only means that another task panicked; what it guards is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plane {
    /// Prepares a plane: files and the port clients use. Nothing of Kubernetes runs yet.
    pub(crate) async fn prepare(shared: Arc<Shared>, folder: PathBuf, record: Record) -> Result<Self> {
        let _known: Minor = record.spec.version.parse()?;
        record.write(&folder)?;
        let ports = shared.config.plane_ports(record.slot);
        ensure_free(ports.1, "an API server")?;
        let authority = Authority::open(&folder.join("pki"), &record.spec.name)?;
        let files = Files::write(&folder, &authority, ports, &shared, &record.spec.name)?;
        let api = Api::new(format!("https://127.0.0.1:{}", ports.1), authority.pem(), &files.admin)?;
        let relay = Relay::start(ports.0, ports.1).await?;
        Ok(Self {
            shared,
            folder,
            record: Mutex::new(record),
            files,
            authority,
            api,
            relay,
            parts: Mutex::default(),
            phase: Mutex::new(Phase::Creating),
            instances: Mutex::default(),
            gone: AtomicBool::new(false),
            simulates: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Starts its programs and waits until it answers. How that went is its status; what
    /// did not work is tried again, since a machine may just have been too busy.
    pub(crate) async fn bring_up(&self) {
        let brought = self.shared.unless_closing(async {
            while !self.gone.load(Ordering::SeqCst) {
                match self.try_to_start().await {
                    Ok(()) => break,
                    Err(error) => tracing::error!(cluster = self.name(), error = format!("{error:#}"), "a control plane did not come up"),
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            Ok(())
        });
        if let Err(error) = brought.await {
            tracing::debug!(cluster = self.name(), %error, "no longer starting a control plane");
        }
    }

    async fn try_to_start(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if self.gone.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.stop_parts().await;
        let done = self.start().await;
        self.conclude(&done);
        done
    }

    fn conclude(&self, done: &Result<()>) {
        *lock(&self.phase) = match done {
            Ok(()) => Phase::Active,
            Err(error) => Phase::Failed(format!("{error:#}")),
        };
    }

    /// Restarts it as another version.
    pub(crate) async fn update(&self, version: &str) -> Result<()> {
        let wanted: Minor = version.parse()?;
        let _turn = self.turn.lock().await;
        *lock(&self.phase) = Phase::Updating;
        self.stop_parts().await;
        let record = {
            let mut record = lock(&self.record);
            record.spec.version = wanted.to_string();
            record.clone()
        };
        record.write(&self.folder)?;
        let done = self.shared.unless_closing(self.start()).await.with_context(|| format!("updating {} to {version}", self.name()));
        self.conclude(&done);
        done
    }

    /// Stops its programs, and gives up the port clients use.
    pub(crate) async fn stop(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.relay.close().await;
        let _turn = self.turn.lock().await;
        self.stop_parts().await;
    }

    async fn start(&self) -> Result<()> {
        let spec = self.spec();
        let version = spec.version.parse()?;
        let setting = Setting { spec: &spec, version, files: &self.files, store: self.shared.etcd.store(), port: self.own_port() };
        let server = self.run("kube-apiserver", setting.api_server()).await?;
        wait::until(READY_WITHIN, &[&server], || self.api.healthy("/readyz")).await.context("the API server did not come up")?;
        bootstrap::bootstrap(&self.api).await.context("preparing the cluster")?;
        self.announce()?;
        self.run("kube-controller-manager", setting.controller_manager()).await?;
        self.run("kube-scheduler", setting.scheduler()).await?;
        // Pods cannot be made in a namespace without one, which would look like a failure of ours.
        wait::until(READY_WITHIN, &[&server], || async { matches!(self.api.get("/api/v1/namespaces/default/serviceaccounts/default").await, Ok(Some(_))) })
            .await
            .context("the controllers did not start to work")?;
        if self.simulates.load(Ordering::SeqCst) { self.run_simulator().await } else { Ok(()) }
    }

    /// Starts one of the plane's parts, which from then on counts for its status.
    async fn run(&self, name: &str, arguments: Vec<String>) -> Result<Arc<Part>> {
        self.run_as(name, &self.shared.config.programs.kube, arguments, Vec::new()).await
    }

    async fn run_as(&self, name: &str, program: &Path, arguments: Vec<String>, environment: Vec<(String, String)>) -> Result<Arc<Part>> {
        let recipe = Recipe { name: name.to_owned(), program: program.to_owned(), arguments, environment, folder: self.folder.clone(), grace: GRACE };
        let part = Arc::new(Part::start(&self.shared.keeper, recipe).await?);
        lock(&self.parts).push(Arc::clone(&part));
        Ok(part)
    }

    /// Simulates nodes from now on, as long as the plane runs.
    pub(crate) async fn simulate_nodes(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if self.simulates.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.run_simulator().await
    }

    async fn run_simulator(&self) -> Result<()> {
        let arguments = vec![
            format!("--kubeconfig={}", self.files.simulator.display()),
            format!("--manage-nodes-with-label-selector={}=true", simulated::LABEL),
            "--manage-all-nodes=false".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
        ];
        simulated::release(&self.api).await?;
        // It looks for a configuration of the user's in the home folder.
        let environment = vec![("HOME".to_owned(), self.folder.display().to_string())];
        self.run_as("kwok", &self.shared.config.programs.kwok, arguments, environment).await.map(drop)
    }

    async fn stop_parts(&self) {
        // Last started, first stopped: none of them misses its API server then.
        let parts = std::mem::take(&mut *lock(&self.parts));
        for part in parts.iter().rev() {
            part.stop().await;
        }
    }

    pub(crate) fn status(&self) -> PlaneStatus {
        for part in lock(&self.parts).iter() {
            if let Health::Failing(last) = part.health() {
                return PlaneStatus::Failed(format!("{} keeps dying: {last}", part.name()));
            }
        }
        match lock(&self.phase).clone() {
            Phase::Creating => PlaneStatus::Creating,
            Phase::Active => PlaneStatus::Active,
            Phase::Updating => PlaneStatus::Updating,
            Phase::Failed(why) => PlaneStatus::Failed(why),
        }
    }

    /// Makes the API server seem down or slow, or well again.
    pub(crate) fn set(&self, manner: Manner) {
        self.relay.set(manner);
    }

    /// Remembers which instances are nodes here, for those that join by their instance.
    pub(crate) fn change_instances(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        change(&mut lock(&self.instances));
        self.announce()
    }

    fn announce(&self) -> Result<()> {
        self.shared.webhook.announce(&self.name(), &self.files.authenticator, &lock(&self.instances))
    }

    pub(crate) fn spec(&self) -> PlaneSpec {
        lock(&self.record).spec.clone()
    }

    pub(crate) fn name(&self) -> String {
        self.spec().name
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn slot(&self) -> u16 {
        lock(&self.record).slot
    }

    fn own_port(&self) -> u16 {
        self.shared.config.plane_ports(self.slot()).1
    }

    fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.shared.config.plane_ports(self.slot()).0)
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) fn info(&self) -> PlaneInfo {
        PlaneInfo { endpoint: self.endpoint(), ca_pem: self.files.ca_pem.clone() }
    }

    /// A certificate for a kubelet to answer the API server with.
    pub(crate) fn serving_certificate(&self, node: &str, address: &str) -> Result<Leaf> {
        self.authority.issue(&format!("kubelet-{node}"), &format!("system:node:{node}"), &Subject::Server(&[node, address]))
    }

    /// A kubeconfig for a node, whose token a program makes.
    pub(crate) fn node_kubeconfig(&self, program: &Path, arguments: &[String]) -> Result<String> {
        let url = self.endpoint();
        kubeconfig::with_program(&self.name(), &Server { url: &url, ca_pem: &self.files.ca_pem }, program, arguments)
    }

    /// The file of the authority that signs the API server's own client certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.files.ca
    }

    /// A kubeconfig of the break-glass administrator.
    pub(crate) fn kubeconfig(&self) -> Result<String> {
        let url = self.endpoint();
        kubeconfig::with_certificate(&self.name(), &Server { url: &url, ca_pem: &self.files.ca_pem }, &self.files.admin)
    }
}
