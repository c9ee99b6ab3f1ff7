//! Where a deployment runs: the nodes of its cluster, with what is on each.

use domain::{access::TeamAction, cluster::Capacity, ids::DeploymentId};

use super::{authorize, store};
use crate::{Ctx, Result};

/// The most nodes anybody looks at; those that hold replicas come first.
const MOST: i64 = 60;

/// A node of the deployment's cluster, as far as a team may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceNode {
    pub name: String,
    pub zone: Option<String>,
    pub instance_type: Option<String>,
    /// Whether it takes pods.
    pub open: bool,
    pub allocatable: Capacity,
    /// Pods of other deployments.
    pub others: i64,
}

/// Where a deployment runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub nodes: Vec<PlaceNode>,
    /// How many nodes the cluster has besides.
    pub more: i64,
}

/// The nodes of the deployment's cluster, those with its replicas first, then those with the fewest pods.
///
/// # Errors
/// `not_found` if the actor may not see the deployment.
pub async fn place(ctx: &Ctx, id: DeploymentId) -> Result<Place> {
    let mut conn = ctx.read().await?;
    authorize(&mut conn, ctx, id, TeamAction::See).await?;
    let (nodes, all) = store::place(&mut conn, id, MOST).await?;
    let shown = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    Ok(Place { nodes, more: all - shown })
}
