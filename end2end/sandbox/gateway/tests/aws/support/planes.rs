//! Control planes that are only said to exist, for tests of the AWS side.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use gateway::planes_api::{ControlPlanes, Instance, NodeGroup, PlaneFault, PlaneInfo, PlaneSpec, PlaneStatus};

/// How long a plane takes to start, restart or stop here.
pub const MOMENT: Duration = Duration::from_millis(400);

struct Plane {
    version: String,
    active_at: tokio::time::Instant,
    updating: bool,
    nodes: BTreeMap<String, (String, Instance)>,
    fault: PlaneFault,
}

/// Planes that are only said to exist.
#[derive(Default)]
pub struct PaperPlanes {
    planes: Mutex<BTreeMap<String, Plane>>,
    /// What every plane fails with.
    pub failure: Mutex<Option<String>>,
    /// The version that no plane can be started or restarted as.
    pub broken_version: Mutex<Option<String>>,
}

impl PaperPlanes {
    fn with<T>(&self, name: &str, look: impl FnOnce(&mut Plane) -> T) -> Option<T> {
        self.planes.lock().unwrap().get_mut(name).map(look)
    }

    /// The names of a plane's nodes.
    pub fn nodes(&self, name: &str) -> Vec<String> {
        self.with(name, |plane| plane.nodes.keys().cloned().collect()).unwrap_or_default()
    }

    /// The version a plane runs.
    pub fn version(&self, name: &str) -> Option<String> {
        self.with(name, |plane| plane.version.clone())
    }

    /// What is wrong with a plane.
    pub fn fault_of(&self, name: &str) -> Option<PlaneFault> {
        self.with(name, |plane| plane.fault.clone())
    }

    fn check_version(&self, version: &str) -> Result<()> {
        if self.broken_version.lock().unwrap().as_deref() == Some(version) {
            bail!("version {version} is broken");
        }
        Ok(())
    }
}

#[async_trait]
impl ControlPlanes for PaperPlanes {
    async fn create(&self, spec: PlaneSpec) -> Result<PlaneInfo> {
        self.check_version(&spec.version)?;
        let active_at = tokio::time::Instant::now() + MOMENT;
        let plane = Plane { version: spec.version, active_at, updating: false, nodes: BTreeMap::new(), fault: PlaneFault::None };
        self.planes.lock().unwrap().insert(spec.name.clone(), plane);
        Ok(PlaneInfo { endpoint: format!("https://127.0.0.1/{}", spec.name), ca_pem: format!("PEM of {}", spec.name) })
    }

    fn status(&self, name: &str) -> PlaneStatus {
        if let Some(why) = self.failure.lock().unwrap().clone() {
            return PlaneStatus::Failed(why);
        }
        let status = self.with(name, |plane| match (plane.updating, plane.active_at <= tokio::time::Instant::now()) {
            (true, _) => PlaneStatus::Updating,
            (false, true) => PlaneStatus::Active,
            (false, false) => PlaneStatus::Creating,
        });
        status.unwrap_or(PlaneStatus::Absent)
    }

    async fn update_version(&self, name: &str, version: &str) -> Result<()> {
        self.with(name, |plane| plane.updating = true);
        tokio::time::sleep(MOMENT).await;
        self.with(name, |plane| plane.updating = false);
        self.check_version(version)?;
        self.with(name, |plane| plane.version = version.to_owned());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        tokio::time::sleep(MOMENT).await;
        self.planes.lock().unwrap().remove(name);
        Ok(())
    }

    async fn add_nodes(&self, cluster: &str, group: NodeGroup) -> Result<()> {
        tokio::time::sleep(MOMENT).await;
        let added = self.with(cluster, |plane| {
            plane.nodes.extend(group.instances.into_iter().map(|instance| (instance.private_dns_name.clone(), (group.name.clone(), instance))));
        });
        match added {
            Some(()) => Ok(()),
            None => bail!("no cluster {cluster}"),
        }
    }

    async fn remove_nodes(&self, cluster: &str, group: &str, instances: &[Instance]) -> Result<()> {
        tokio::time::sleep(MOMENT).await;
        self.with(cluster, |plane| plane.nodes.retain(|_, (of, instance)| of != group || !instances.contains(instance)));
        Ok(())
    }

    fn kubeconfig(&self, name: &str) -> Result<String> {
        bail!("{name} is a paper plane")
    }

    async fn fault(&self, cluster: &str, fault: PlaneFault) -> Result<()> {
        match self.with(cluster, |plane| plane.fault = fault) {
            Some(()) => Ok(()),
            None => bail!("there is no cluster {cluster}"),
        }
    }

    async fn shutdown(&self) {}
}
