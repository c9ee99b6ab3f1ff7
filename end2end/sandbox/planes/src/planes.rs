//! All control planes of a sandbox, and their nodes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::sync::watch;

use crate::aws_auth;
use crate::config::{PlanesConfig, private_folder};
use crate::egress::Egress;
use crate::etcd::Etcd;
use crate::keeper::Keeper;
use crate::leftovers;
use crate::node::RealNode;
use crate::pki::Authority;
use crate::plane::{Plane, Record, Shared};
use crate::relay::Manner;
use crate::simulated;
use crate::spec::{Instance, NodeGroup, NodeKind, PlaneFault, PlaneInfo, PlaneSpec, PlaneStatus};
use crate::webhook::Webhook;

/// EKS allows a hundred clusters per region; ports are scarcer here.
const MOST: u16 = 40;

/// Starts, watches and stops control planes and their nodes.
pub struct Planes {
    shared: Arc<Shared>,
    planes: Mutex<BTreeMap<String, Arc<Plane>>>,
    /// The machine's one real node, and the cluster it is in.
    node: tokio::sync::Mutex<Option<(String, RealNode)>>,
    /// Making and deleting planes take turns.
    turn: tokio::sync::Mutex<()>,
    /// Held as long as the state folder is used.
    _lock: File,
}

impl Planes {
    /// Ends what an earlier run of the same state folder left, and starts etcd and the webhooks.
    ///
    /// # Errors
    /// When the folder is in use, a port is busy, or a program is missing or does not start.
    pub async fn start(config: PlanesConfig) -> Result<Self> {
        private_folder(&config.state)?;
        let lock = clean(&config.state)?;
        let keeper = Keeper::new()?;
        let authority = Authority::open(&config.folder("pki"), "sandbox")?;
        // Whatever fails here takes the parts started before it along.
        let etcd = Etcd::start(&keeper, &config, &authority).await?;
        let webhook = Webhook::start(&keeper, &config, &authority).await?;
        let egress = Egress::start(config.gateway_port)?;
        let shared = Arc::new(Shared { config, keeper, etcd, webhook, egress, closing: watch::Sender::new(false) });
        Ok(Self { shared, planes: Mutex::default(), node: tokio::sync::Mutex::default(), turn: tokio::sync::Mutex::default(), _lock: lock })
    }

    /// Starts a plane, or takes up the one of that name that an earlier run left. It
    /// answers before the plane is ready; [`Self::status`] tells when it is.
    ///
    /// # Errors
    /// When there is one already, the name or version will not do, or its port is busy.
    pub async fn create(&self, spec: PlaneSpec) -> Result<PlaneInfo> {
        ensure_name(&spec.name)?;
        let _turn = self.turn.lock().await;
        ensure!(self.find(&spec.name).is_none(), "there is a control plane {} already", spec.name);
        let folder = self.shared.config.folder("planes").join(&spec.name);
        let record = match Record::read(&folder)? {
            Some(earlier) => Record { spec, ..earlier },
            None => Record { spec, slot: self.free_slot()? },
        };
        let name = record.spec.name.clone();
        let plane = Arc::new(Plane::prepare(Arc::clone(&self.shared), folder, record).await?);
        self.lock().insert(name, Arc::clone(&plane));
        let info = plane.info();
        tokio::spawn(async move { plane.bring_up().await });
        Ok(info)
    }

    /// How a plane is.
    #[must_use]
    pub fn status(&self, name: &str) -> PlaneStatus {
        self.find(name).map_or(PlaneStatus::Absent, |plane| plane.status())
    }

    /// Restarts a plane as another minor version and waits until it answers.
    ///
    /// # Errors
    /// When there is no such plane, the program cannot play the version, or it does not come up.
    pub async fn update_version(&self, name: &str, version: &str) -> Result<()> {
        self.plane(name)?.update(version).await
    }

    /// Stops a plane with its nodes and forgets what it stored.
    ///
    /// # Errors
    /// When there is no such plane, or something of it would not go.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let _turn = self.turn.lock().await;
        let plane = self.plane(name)?;
        self.stop_node_of(name).await?;
        self.shared.webhook.forget(name)?;
        plane.stop().await;
        self.lock().remove(name);
        self.shared.etcd.forget(&format!("/{name}/")).await?;
        std::fs::remove_dir_all(plane.folder()).with_context(|| format!("removing {}", plane.folder().display()))
    }

    /// Starts nodes and waits until they have joined and are ready.
    ///
    /// # Errors
    /// When the cluster is not active, a node does not join, or a second real node is asked for.
    pub async fn add_nodes(&self, cluster: &str, group: NodeGroup) -> Result<()> {
        let plane = self.plane(cluster)?;
        let status = plane.status();
        ensure!(status == PlaneStatus::Active, "cluster {cluster} is not active but {status:?}");
        plane.change_instances(|all| all.extend(group.instances.iter().map(|instance| (instance.instance_id.clone(), instance.private_dns_name.clone()))))?;
        self.shared.unless_closing(self.start_nodes(&plane, &group)).await
    }

    async fn start_nodes(&self, plane: &Plane, group: &NodeGroup) -> Result<()> {
        // EKS does this for every managed node group, so it shows on simulated ones too.
        aws_auth::admit_nodes(&self.shared.config.gateway(), &plane.name(), plane.api(), &group.role_arn).await?;
        match group.kind {
            NodeKind::Simulated => simulated::add(plane, group).await,
            NodeKind::Real => self.add_real(plane, group).await,
        }
    }

    async fn add_real(&self, plane: &Plane, group: &NodeGroup) -> Result<()> {
        let [instance] = group.instances.as_slice() else {
            bail!("a machine can be one real node, and {} were asked for", group.instances.len());
        };
        let mut node = self.node.lock().await;
        if let Some((cluster, there)) = node.as_ref() {
            bail!("this machine is a real node already: {} of cluster {cluster}", there.name());
        }
        let started = RealNode::start(&self.shared, plane, group, instance).await?;
        if let Err(error) = started.wait_ready(plane.api()).await {
            started.stop().await.context("removing a node that did not join")?;
            return Err(error);
        }
        *node = Some((plane.name(), started));
        Ok(())
    }

    /// Stops some of a group's nodes and removes them from the cluster, with their pods.
    ///
    /// # Errors
    /// When there is no such cluster, or it refuses.
    pub async fn remove_nodes(&self, cluster: &str, _group: &str, instances: &[Instance]) -> Result<()> {
        let plane = self.plane(cluster)?;
        let leaves = |name: &str| instances.iter().any(|instance| instance.private_dns_name == name);
        for instance in instances {
            let node = format!("/api/v1/nodes/{}", instance.private_dns_name);
            if plane.api().get(&node).await?.is_some() {
                plane.api().patch(&node, &json!({ "spec": { "unschedulable": true } })).await?;
            }
        }
        {
            let mut node = self.node.lock().await;
            if node.as_ref().is_some_and(|(at, node)| at == cluster && leaves(node.name()))
                && let Some((_, node)) = node.take()
            {
                node.stop().await?;
            }
        }
        for instance in instances {
            forget_node(&plane, &instance.private_dns_name).await?;
        }
        plane.change_instances(|all| all.retain(|_, name| !leaves(name)))
    }

    /// A kubeconfig with a break-glass administrator's certificate.
    ///
    /// # Errors
    /// When there is no such plane.
    pub fn kubeconfig(&self, name: &str) -> Result<String> {
        self.plane(name)?.kubeconfig()
    }

    /// Makes something go wrong with a cluster, or all of it well again.
    ///
    /// # Errors
    /// When there is no such cluster or node.
    pub async fn fault(&self, cluster: &str, fault: PlaneFault) -> Result<()> {
        let plane = self.plane(cluster)?;
        match fault {
            PlaneFault::ApiServerDown => plane.set(Manner::Down),
            PlaneFault::ApiServerSlow(milliseconds) => plane.set(Manner::Slow(Duration::from_millis(milliseconds))),
            PlaneFault::NodeLost(name) => match self.node.lock().await.as_mut() {
                Some((at, node)) if at == cluster && node.name() == name => node.lose().await,
                _ => simulated::lose(plane.api(), &name).await?,
            },
            PlaneFault::None => {
                plane.set(Manner::Clear);
                simulated::find_lost(plane.api()).await?;
                match self.node.lock().await.as_mut() {
                    Some((at, node)) if at == cluster => node.find().await?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Stops everything. What the clusters stored stays in the state folder.
    pub async fn shutdown(&self) {
        self.shared.closing.send_replace(true);
        let _turn = self.turn.lock().await;
        let real = self.node.lock().await.take();
        let stopped = match real {
            Some((_, node)) => node.stop().await,
            // One may have been cut off in the middle of its start.
            None => RealNode::clean_up_when_gone().await,
        };
        if let Err(error) = stopped {
            tracing::error!(error = format!("{error:#}"), "something of the real node is left");
        }
        let planes = std::mem::take(&mut *self.lock());
        let stops: Vec<_> = planes.into_values().map(|plane| tokio::spawn(async move { plane.stop().await })).collect();
        for stop in stops {
            if let Err(error) = stop.await {
                tracing::error!(%error, "stopping a control plane broke");
            }
        }
        self.shared.webhook.stop().await;
        self.shared.etcd.stop().await;
    }

    async fn stop_node_of(&self, cluster: &str) -> Result<()> {
        let mut node = self.node.lock().await;
        if node.as_ref().is_some_and(|(at, _)| at == cluster)
            && let Some((_, node)) = node.take()
        {
            node.stop().await?;
        }
        Ok(())
    }

    fn free_slot(&self) -> Result<u16> {
        let folder = self.shared.config.folder("planes");
        private_folder(&folder)?;
        let mut taken: Vec<u16> = self.lock().values().map(|plane| plane.slot()).collect();
        // Planes of an earlier run that were not taken up yet keep their ports.
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
            taken.extend(Record::read(&entry.path())?.map(|record| record.slot));
        }
        (0..MOST).find(|slot| !taken.contains(slot)).with_context(|| format!("the sandbox has ports for {MOST} clusters"))
    }

    fn plane(&self, name: &str) -> Result<Arc<Plane>> {
        self.find(name).with_context(|| format!("there is no control plane {name}"))
    }

    fn find(&self, name: &str) -> Option<Arc<Plane>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Plane>>> {
        self.planes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends and removes what a killed sandbox left on this machine: processes that its
/// state folder names, and a real node. What it stored stays.
///
/// # Errors
/// When a sandbox is running from the folder, or something would not go.
pub fn clean_up(state: &Path) -> Result<()> {
    if state.is_dir() { clean(state).map(drop) } else { RealNode::clean_up() }
}

/// Takes the state folder for this process and cleans up after the one before.
fn clean(state: &Path) -> Result<File> {
    let lock = File::create(state.join("lock")).context("making the lock of the state folder")?;
    lock.try_lock().ok().with_context(|| format!("another sandbox uses the state folder {}", state.display()))?;
    leftovers::end_all(state)?;
    RealNode::clean_up()?;
    Ok(lock)
}

/// Takes a node that is gone out of its cluster, and its pods with it: nobody is left
/// who could say that they have ended.
async fn forget_node(plane: &Plane, name: &str) -> Result<()> {
    let pods = plane.api().get(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{name}")).await?.unwrap_or_default();
    for pod in pods["items"].as_array().into_iter().flatten() {
        if let (Some(namespace), Some(pod)) = (pod["metadata"]["namespace"].as_str(), pod["metadata"]["name"].as_str()) {
            plane.api().delete(&format!("/api/v1/namespaces/{namespace}/pods/{pod}?gracePeriodSeconds=0")).await?;
        }
    }
    plane.api().delete(&format!("/api/v1/nodes/{name}")).await
}

/// EKS's rule for names, which also makes them safe as the name of a folder.
fn ensure_name(name: &str) -> Result<()> {
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let rest = name.chars().all(|each| each.is_ascii_alphanumeric() || each == '-' || each == '_');
    ensure!(first && rest && name.len() <= 100, "{name:?} is not a cluster's name");
    Ok(())
}
