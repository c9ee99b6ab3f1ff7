//! A workspace as its reconciler needs it: what is wanted, and what was written down about it.

use domain::{
    cluster::ClusterState,
    ids::{ClusterId, TeamId, WorkspaceId},
    workspace::Quota,
};

use super::{
    REPAIR,
    manifests::Blueprint,
    next::{Adoption, Applied, Carried, Cluster, Desired, Intent},
};
use crate::{
    Control, Result,
    clusters::why_read_only,
    inventory::cluster::{Shown, When},
    operations,
};

/// A workspace with everything around it.
pub(super) struct Subject {
    pub blueprint: Blueprint,
    pub desired: Desired,
    pub operation: Option<operations::Running>,
    pub team_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    /// Whether the team keeps no other workspace on this cluster: of several that are deleted together, none must wait for another.
    pub last_of_team: bool,
    /// What of others' fields may be taken over.
    pub takes_over: Vec<Shown>,
}

impl Subject {
    /// How its objects are written.
    pub fn when(&self) -> When<'_> {
        if self.takes_over.is_empty() { When::Always } else { When::TakingOver(&self.takes_over) }
    }
}

pub(super) async fn load(control: &Control, id: WorkspaceId) -> Result<Option<Subject>> {
    let mut conn = control.pool.acquire().await?;
    let row = sqlx::query!(
        r#"select w.name, w.team_id as "team: TeamId", t.name as team_name, w.cluster_id as "cluster: ClusterId", c.name as cluster_name, c.state as "cluster_state: ClusterState",
                  c.state_message, c.read_only_since is not null as "read_only!", w.may_adopt, w.adopted, w.takes_over, w.cpu_millis, w.memory_mib, w.gpus, w.pods, w.generation, w.deleting_at is not null as "deleting!",
                  i.entries as "entries!", i.applied as "applied!",
                  not exists (select from workspaces other where other.team_id = w.team_id and other.cluster_id = w.cluster_id and other.id <> w.id and other.deleting_at is null) as "last_of_team!"
           from workspaces w join teams t on t.id = w.team_id join clusters c on c.id = w.cluster_id
           cross join lateral (select count(*) as entries, coalesce(min(generation), 0) as applied from inventory where object_id = w.id) i
           where w.id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let operation = operations::running(&mut conn, id.0).await?.filter(|running| running.generation == row.generation);
    // Whatever follows from it later is applied by nobody who asked to take anything over.
    let takes_over = match &operation {
        Some(running) if running.verb == REPAIR.0 => serde_json::from_value(row.takes_over)?,
        _ => Vec::new(),
    };
    let desired = Desired {
        intent: if row.deleting { Intent::Delete } else { Intent::Keep },
        operation: if operation.is_some() { Carried::ByAnOperation } else { Carried::No },
        applied: if row.entries > 0 && row.applied == row.generation { Applied::Wholly } else { Applied::Not },
        adoption: match (row.adopted, row.may_adopt) {
            (true, _) => Adoption::Done,
            (false, true) => Adoption::Allowed,
            (false, false) => Adoption::Refused,
        },
        cluster: match row.cluster_state {
            ClusterState::Connected if row.read_only => Cluster::ReadOnly(why_read_only(&row.cluster_name)),
            ClusterState::Connected => Cluster::Connected,
            ClusterState::Gone => Cluster::Gone,
            ClusterState::Connecting | ClusterState::NeedsAccess | ClusterState::Unreachable => {
                Cluster::Away(row.state_message.unwrap_or_else(|| format!("The cluster {} is not connected.", row.cluster_name)))
            }
        },
    };
    let blueprint = Blueprint {
        installation: control.installation,
        workspace: id,
        team: row.team,
        namespace: row.name,
        generation: row.generation,
        quota: Quota { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
    };
    Ok(Some(Subject { blueprint, desired, operation, team_name: row.team_name, cluster: row.cluster, cluster_name: row.cluster_name, last_of_team: row.last_of_team, takes_over }))
}
