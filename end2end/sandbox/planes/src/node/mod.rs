//! The real node: a kubelet on containerd, in process and mount namespaces of its own.
//!
//! The namespaces are what makes stopping certain. When their first process ends,
//! the kernel ends every other one in them, and unmounts what they mounted.

mod containerd;
mod host;
mod kubelet;
mod namespaces;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::api::Api;
use crate::config::private_folder;
use crate::part::{Part, Recipe};
use crate::plane::{Plane, Shared};
use crate::simulated;
use crate::spec::{Instance, NodeGroup};
use crate::wait;
use namespaces::Namespaces;

/// Sockets and locks live here: paths of sockets are short, and there is one node per machine.
const RUN: &str = "/run/slipway-sandbox";

/// The machine's real node, running.
pub(crate) struct RealNode {
    shared: Arc<Shared>,
    name: String,
    kubelet_recipe: Recipe,
    kubelet: Option<Part>,
    containerd: Part,
    namespaces: Namespaces,
    /// Held as long as this machine is a node.
    _lock: File,
}

impl RealNode {
    /// Removes what the node of a killed sandbox left on this machine, whoever's it was.
    /// One that is alive, or a machine without a trace of one, is left alone.
    pub(crate) fn clean_up() -> Result<()> {
        if !Path::new(RUN).exists() || !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        match lock()? {
            Some(_lock) => host::restore().context("removing what an earlier real node left"),
            None => Ok(()),
        }
    }

    /// The same, for a node whose processes have been killed just now.
    pub(crate) async fn clean_up_when_gone() -> Result<()> {
        if !Path::new(RUN).exists() || !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        match lock()? {
            Some(_lock) => host::restore_after_processes().await,
            None => Ok(()),
        }
    }

    /// Starts it; it joins by itself, which [`Self::wait_ready`] waits for.
    pub(crate) async fn start(shared: &Arc<Shared>, plane: &Plane, group: &NodeGroup, instance: &Instance) -> Result<Self> {
        host::ensure_able()?;
        ensure!(nix::unistd::geteuid().is_root(), "a real node needs root; use simulated nodes");
        let lock = lock()?.context("another sandbox on this machine has the real node; use simulated nodes, or stop that one")?;
        host::restore()?;
        let folder = shared.config.folder("node");
        for folder in [Path::new(RUN), &folder] {
            private_folder(folder)?;
        }
        let network = host::Network::of(instance)?;
        host::prepare(&folder, &network).await?;
        match Self::start_on(shared, plane, group, instance, &folder, &network).await {
            Ok((namespaces, containerd, kubelet_recipe, kubelet)) => {
                shared.egress.lead_to(Some(network.node));
                let (shared, name) = (Arc::clone(shared), instance.private_dns_name.clone());
                Ok(Self { shared, name, kubelet_recipe, kubelet: Some(kubelet), containerd, namespaces, _lock: lock })
            }
            Err(error) => {
                // What was started has been dropped and ends by itself; the machine has to be put right.
                host::restore_after_processes().await.context("removing a node that did not start")?;
                Err(error)
            }
        }
    }

    async fn start_on(
        shared: &Arc<Shared>,
        plane: &Plane,
        group: &NodeGroup,
        instance: &Instance,
        folder: &Path,
        network: &host::Network,
    ) -> Result<(Namespaces, Part, Recipe, Part)> {
        let namespaces = Namespaces::start(&shared.keeper, &shared.config.programs.tools, folder).await?;
        containerd::configure(folder, network)?;
        let containerd = Part::start(&shared.keeper, namespaces.recipe("containerd", containerd::command(folder), folder)).await?;
        wait::until(Duration::from_secs(60), &[&containerd], containerd::answers).await.context("containerd did not come up")?;
        containerd::import_pause(&shared.config, folder).await?;
        let command = kubelet::configure(&shared.config, plane, group, instance, folder)?;
        let recipe = namespaces.recipe("kubelet", command, folder);
        let kubelet = Part::start(&shared.keeper, recipe.clone()).await?;
        Ok((namespaces, containerd, recipe, kubelet))
    }

    /// The node's name: its instance's private DNS name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn wait_ready(&self, api: &Api) -> Result<()> {
        simulated::wait_ready(api, &self.name).await.map_err(|error| {
            let parts = self.kubelet.iter().chain([&self.containerd]);
            let last: Vec<String> = parts.map(|part| format!("{} last said: {}", part.name(), part.last_line())).collect();
            error.context(last.join("; "))
        })
    }

    /// Makes it go silent: no kubelet, as far as the cluster can see.
    pub(crate) async fn lose(&mut self) {
        if let Some(kubelet) = self.kubelet.take() {
            kubelet.stop().await;
        }
    }

    /// Lets it speak again.
    pub(crate) async fn find(&mut self) -> Result<()> {
        if self.kubelet.is_none() {
            self.kubelet = Some(Part::start(&self.shared.keeper, self.kubelet_recipe.clone()).await?);
        }
        Ok(())
    }

    /// Stops it and leaves nothing of it on the machine.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shared.egress.lead_to(None);
        self.lose().await;
        self.containerd.stop().await;
        self.namespaces.stop().await;
        host::restore_after_processes().await
    }
}

/// One machine can be one node, whoever's sandbox it is in. Nothing when somebody else holds the lock.
fn lock() -> Result<Option<File>> {
    let lock = File::create("/run/lock/slipway-sandbox-node").context("making the lock of this machine's real node")?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("taking the lock of this machine's real node"),
    }
}
