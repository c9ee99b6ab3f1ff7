//! observed
use domain::ids::ClusterId;

/// The lease under which a cluster is watched.
#[must_use]
pub fn lease_name(cluster: ClusterId) -> String {
    format!("cluster:{cluster}")
}
