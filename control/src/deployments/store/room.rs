//! The SQL of where a deployment runs: its workspace and quota, its cluster and nodes.

use std::collections::BTreeMap;

use domain::{
    cluster::{Capacity, ClusterState},
    ids::{ClusterId, DeploymentId, TeamId, WorkspaceId},
    size::Size,
    workspace::{Quota, WorkspaceState},
};
use sqlx::PgConnection;

use super::super::{place::PlaceNode, spec::Spec};
use crate::Result;

/// A workspace as deployments need it.
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub team: TeamId,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub state: WorkspaceState,
    /// Whether it is on its way out.
    pub deleting: bool,
    /// Whether its namespace was whole before, whatever became of later changes.
    pub made: bool,
    pub quota: Quota,
    /// Whether what Slipway made of it is not as it was made, as far as that was seen.
    pub changed_by_others: bool,
}

pub async fn workspace(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Workspace>> {
    let row = sqlx::query!(
        r#"select w.id as "id: WorkspaceId", w.name, w.team_id as "team: TeamId", w.cluster_id as "cluster: ClusterId", c.name as cluster_name,
                  w.state as "state: WorkspaceState", w.deleting_at is not null as "deleting!", w.synced_at is not null as "made!", w.cpu_millis, w.memory_mib, w.gpus, w.pods,
                  exists (select from inventory i where i.object_id = w.id and i.others <> '[]') as "changed_by_others!"
           from workspaces w join clusters c on c.id = w.cluster_id
           where w.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Workspace {
        id: row.id,
        name: row.name,
        team: row.team,
        cluster: row.cluster,
        cluster_name: row.cluster_name,
        state: row.state,
        deleting: row.deleting,
        made: row.made,
        quota: Quota { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
        changed_by_others: row.changed_by_others,
    }))
}

pub async fn lock_workspace(conn: &mut PgConnection, id: WorkspaceId) -> Result<()> {
    sqlx::query!("select id from workspaces where id = $1 for no key update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// What the workspace's deployments ask for, without one of them.
pub async fn used(conn: &mut PgConnection, workspace: WorkspaceId, without: Option<DeploymentId>) -> Result<Quota> {
    let rows = sqlx::query!(
        r#"select r.size as "size: Size", sum(r.replicas) as "replicas!" from deployments d join revisions r on r.deployment_id = d.id and r.number = d.revision
           where d.workspace_id = $1 and d.id is distinct from $2 group by r.size"#,
        workspace.0,
        without.map(|id| id.0)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().fold(Quota::default(), |sum, row| Quota {
        cpu_millis: sum.cpu_millis + row.size.cpu_millis() * row.replicas,
        memory_mib: sum.memory_mib + row.size.memory_mib() * row.replicas,
        gpus: sum.gpus + row.size.gpus() * row.replicas,
        pods: sum.pods + row.replicas,
    }))
}

/// What the workspace's quota lacks for a deployment's replicas in another size, a sentence for each.
pub async fn lacks(conn: &mut PgConnection, id: DeploymentId, size: Size) -> Result<Vec<String>> {
    let Some(found) = super::find(conn, id).await? else { return Ok(Vec::new()) };
    let (Some(workspace), Some(wanted)) = (workspace(conn, found.workspace).await?, super::wanted(conn, id, found.revision).await?) else { return Ok(Vec::new()) };
    Ok(workspace.quota.lacks(&used(conn, workspace.id, Some(id)).await?, &Spec { size, ..wanted.spec }.asks()))
}

/// How a cluster stands.
pub struct Standing {
    pub state: ClusterState,
    pub state_message: Option<String>,
    pub read_only: bool,
}

pub async fn cluster_standing(conn: &mut PgConnection, id: ClusterId) -> Result<Standing> {
    let standing =
        sqlx::query_as!(Standing, r#"select state as "state: ClusterState", state_message, read_only_since is not null as "read_only!" from clusters where id = $1"#, id.0);
    Ok(standing.fetch_one(conn).await?)
}

/// A node, with what Slipway's own pods leave free on it. What others run there is not known here.
pub struct Room {
    pub allocatable: Capacity,
    pub free: Capacity,
}

/// The nodes that take pods.
pub async fn rooms(conn: &mut PgConnection, cluster: ClusterId) -> Result<Vec<Room>> {
    let mut rooms = nodes(conn, cluster).await?;
    for (name, size) in placed(conn, cluster).await? {
        if let Some(room) = rooms.get_mut(&name) {
            room.free.cpu_millis -= size.cpu_millis();
            room.free.memory_mib -= size.memory_mib();
            room.free.gpus -= size.gpus();
            room.free.pods -= 1;
        }
    }
    Ok(rooms.into_values().collect())
}

/// The nodes that take pods, by name, each all free.
async fn nodes(conn: &mut PgConnection, cluster: ClusterId) -> Result<BTreeMap<String, Room>> {
    let rows =
        sqlx::query!("select name, cpu_millis, memory_mib, gpus, pods from observed_nodes where cluster_id = $1 and ready and schedulable", cluster.0).fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let allocatable = Capacity { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods };
            (row.name, Room { allocatable, free: allocatable })
        })
        .collect())
}

/// Slipway's own pods on nodes: each one's node and size.
async fn placed(conn: &mut PgConnection, cluster: ClusterId) -> Result<Vec<(String, Size)>> {
    let rows = sqlx::query!(
        r#"select p.node as "node!", v.size as "size: Size" from observed_pods p join revisions v on v.deployment_id = p.deployment_id and v.number = p.revision
           where p.cluster_id = $1 and p.node is not null and p.phase in ('Pending', 'Running')"#,
        cluster.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.node, row.size)).collect())
}

/// The nodes of the deployment's cluster, those with its replicas first, and how many there are in all.
pub async fn place(conn: &mut PgConnection, id: DeploymentId, most: i64) -> Result<(Vec<PlaceNode>, i64)> {
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
        most
    )
    .fetch_all(conn)
    .await?;
    let all = rows.first().map_or(0, |row| row.all);
    let nodes = rows
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
    Ok((nodes, all))
}
