//! What most tests of rollouts begin with: a team that has a ready workspace on `fleet`, and a worker at work.

use domain::{cluster::Cluster, ids::DeploymentId, operation::Started};
use kube::Client;

use crate::{
    place::{Asked, Place},
    process::Worker,
    scene::Scene,
};

pub struct Stage {
    pub scene: Scene,
    pub place: Place,
    pub fleet: Cluster,
    /// The cluster's break-glass administrator.
    pub admin: Client,
    pub workspace: Asked,
}

impl Stage {
    pub async fn new(scene: Scene) -> (Self, Worker) {
        let place = Place::new(&scene).await;
        let fleet = scene.connect("fleet").await;
        let admin = scene.sandbox.admin("fleet").await;
        let worker = Worker::start(&scene);
        let workspace = place.workspace(&scene, "fleet").await;
        (Self { scene, place, fleet, admin, workspace }, worker)
    }

    /// Deploys the first release.
    pub async fn deploy(&self, name: &str) -> Started {
        self.place.deploy(self.workspace.id, name).await
    }

    /// Deploys the first release, and waits until that has succeeded.
    pub async fn live(&self, name: &str) -> DeploymentId {
        let deployed = self.deploy(name).await;
        self.scene.succeeds(deployed.operation).await;
        DeploymentId(deployed.object)
    }
}
