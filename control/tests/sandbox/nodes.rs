//! Clusters whose nodes take no new pods for a while, so that a rollout stays in its middle.

use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt as _, api::ListParams};

use crate::{sandbox::Sandbox, scene::Scene};

/// They take pods again when this is dropped, also by a test that fails.
pub struct Closed {
    cluster: String,
}

impl Closed {
    pub async fn new(scene: &Scene, cluster: &str) -> Self {
        let closed = Self { cluster: cluster.into() };
        let nodes: Api<Node> = Api::all(scene.sandbox.admin(cluster).await);
        for node in nodes.list(&ListParams::default()).await.unwrap() {
            nodes.cordon(&node.name_any()).await.unwrap();
        }
        closed
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let open = async {
            let nodes: Api<Node> = Api::all(Sandbox::new().admin(&self.cluster).await);
            for node in nodes.list(&ListParams::default()).await.unwrap() {
                nodes.uncordon(&node.name_any()).await.unwrap();
            }
        };
        // Whoever drops this may be in the middle of a runtime of their own.
        std::thread::scope(|scope| scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(open)).join()).expect("the nodes take pods again");
    }
}
