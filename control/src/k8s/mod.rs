//! Kubernetes: kube-rs types in, domain types out. Nothing here knows a resource of the portal.

pub mod labels;

/// Hands out clients for clusters.
#[derive(Default)]
pub struct Clients {}

impl Clients {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
