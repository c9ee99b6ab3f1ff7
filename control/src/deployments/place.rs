//! Where a deployment runs: the nodes of its cluster, with what is on each.

use domain::{access::TeamAction, cluster::Capacity, ids::DeploymentId};

use super::authorize;
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
    let rows = sqlx::query!(
        r#"select n.name, n.zone, n.instance_type, n.ready and n.schedulable as "open!", n.cpu_millis, n.memory_mib, n.gpus, n.pods,
                  count(p.uid) filter (where p.deployment_id <> $1) as "others!", count(p.uid) filter (where p.deployment_id = $1) as "ours!", count(*) over () as "all!"
           from deployments d
           join workspaces w on w.id = d.workspace_id
           join observed_nodes n on n.cluster_id = w.cluster_id
           left join observed_pods p on p.cluster_id = n.cluster_id and p.node = n.name and p.phase in ('Pending', 'Running')
           where d.id = $1
           group by n.cluster_id, n.name
           order by count(p.uid) filter (where p.deployment_id = $1) > 0 desc, count(p.uid), n.name
           limit $2"#,
        id.0,
        MOST
    )
    .fetch_all(&mut *conn)
    .await?;
    let all = rows.first().map_or(0, |row| row.all);
    let nodes: Vec<PlaceNode> = rows
        .into_iter()
        .map(|row| PlaceNode {
            name: row.name,
            zone: row.zone,
            instance_type: row.instance_type,
            open: row.open,
            allocatable: Capacity { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
            others: row.others,
        })
        .collect();
    let shown = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    Ok(Place { nodes, more: all - shown })
}
