//! The SQL that operations on deployments need.

pub(super) mod list;
mod replicas;
mod revisions;
mod room;
mod standing;
#[cfg(test)]
mod tests;

use domain::{
    ids::{ClusterId, DeploymentId, OperationId, TeamId, WorkspaceId},
    serving::Protocol,
};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Result;
pub(super) use replicas::{Served, ServingPod, pods, replica_names, served};
pub(super) use revisions::{Because, MOST, Release, Wanted, insert_revision, lock_release, newest_alike, release, revisions, template_revision, wanted};
pub(super) use room::{Room, Standing, Workspace, cluster_standing, lacks, lock_workspace, place, rooms, used, workspace};
pub(super) use standing::{came_up, complain, is_still_wanted, keep_metadata, ready, remove, serving, set_state, why_failed};

/// A deployment as its operations need it.
pub(super) struct Found {
    pub id: DeploymentId,
    pub name: String,
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub team: TeamId,
    pub team_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub revision: i32,
    pub generation: i64,
    pub deleting: bool,
    pub held: bool,
    /// Whether the wanted revision came up, and nothing holds it.
    pub settled: bool,
    pub version: i64,
}

pub(super) async fn find(conn: &mut PgConnection, id: DeploymentId) -> Result<Option<Found>> {
    Ok(sqlx::query_as!(
        Found,
        r#"select d.id as "id: DeploymentId", d.name, w.id as "workspace: WorkspaceId", w.name as workspace_name, t.id as "team: TeamId", t.name as team_name,
                  c.id as "cluster: ClusterId", c.name as cluster_name, d.revision, d.generation, d.deleting_at is not null as "deleting!", d.held,
                  d.live_revision is not distinct from d.revision and not d.held and d.state <> 'failed' as "settled!", d.version
           from deployments d join workspaces w on w.id = d.workspace_id join teams t on t.id = w.team_id join clusters c on c.id = w.cluster_id
           where d.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Locks the deployment, and before it its workspace: every change that asks for more does so one after the other.
pub(super) async fn lock(conn: &mut PgConnection, id: DeploymentId) -> Result<()> {
    lock_all(conn, &[id.0]).await
}

/// Locks deployments, and before them their workspaces, each kind in the order of the ids. Whoever locks several things locks clusters first, then
/// workspaces, then deployments, and what is due of them last: [`reconcile`](crate::reconcile).
///
/// The locks are those of an update that changes no key. A reference to a row has its database look at that row's key: a stronger lock would keep a
/// reconciler waiting for the workspace of the deployment that it holds.
pub(super) async fn lock_all(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query!("select id from workspaces where id in (select workspace_id from deployments where id = any($1)) order by id for no key update", ids)
        .fetch_all(&mut *conn)
        .await?;
    sqlx::query!("select id from deployments where id = any($1) order by id for no key update", ids).fetch_all(conn).await?;
    Ok(())
}

pub(super) async fn insert(conn: &mut PgConnection, id: DeploymentId, workspace: WorkspaceId, name: &str) -> sqlx::Result<()> {
    sqlx::query!("insert into deployments (id, workspace_id, name) values ($1, $2, $3)", id.0, workspace.0, name).execute(conn).await?;
    Ok(())
}

/// The next wanted revision: raises number and generation, and releases a hold.
pub(super) async fn revise(conn: &mut PgConnection, id: DeploymentId) -> Result<(i32, i64)> {
    let row = sqlx::query!(
        "update deployments
         set revision = revision + 1, generation = generation + 1, version = version + 1, held = false, held_by_kind = null, held_by_id = null, state = 'pending', state_message = null, changed_at = now()
         where id = $1 returning revision, generation",
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok((row.revision, row.generation))
}

pub(super) async fn raise(conn: &mut PgConnection, id: DeploymentId, above: i64) -> Result<i64> {
    Ok(sqlx::query_scalar!("update deployments set generation = greatest(generation, $2) + 1, version = version + 1 where id = $1 returning generation", id.0, above)
        .fetch_one(conn)
        .await?)
}

pub(super) async fn delete_begins(conn: &mut PgConnection, id: DeploymentId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update deployments
         set deleting_at = coalesce(deleting_at, now()), generation = generation + 1, version = version + 1, held = false, held_by_kind = null, held_by_id = null, state = 'deleting', state_message = null, changed_at = now()
         where id = $1 returning generation",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// What is shown of it is another, though nothing else is wanted: who acts on what was shown before is told so.
pub(super) async fn shows_anew(conn: &mut PgConnection, id: DeploymentId) -> Result<()> {
    sqlx::query!("update deployments set version = version + 1 where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// What a deployment's page shows besides its row in the list.
pub(super) struct Detail {
    pub protocol: Protocol,
    pub repository_uri: String,
    pub digest: String,
    pub environment: Value,
    pub metadata: Option<Value>,
    pub read_only_cluster: Option<String>,
    pub network_policies_enforced: Option<bool>,
    pub synced_at: Option<OffsetDateTime>,
    pub scaled_to: Option<i32>,
    pub others: Value,
    pub operation: Option<OperationId>,
    pub created_at: OffsetDateTime,
    pub version: i64,
}

pub(super) async fn detail(conn: &mut PgConnection, id: DeploymentId) -> Result<Option<Detail>> {
    Ok(sqlx::query_as!(
        Detail,
        r#"select r.protocol as "protocol: Protocol", r.repository_uri, r.digest,
                  v.environment, d.metadata, d.created_at, d.version,
                  (select c.name from clusters c where c.id = w.cluster_id and c.read_only_since is not null) as read_only_cluster,
                  (select c.enforces_network_policies from clusters c where c.id = w.cluster_id) as network_policies_enforced,
                  (select min(s.synced_at) from observed_sync s where s.cluster_id = w.cluster_id and s.kind in ('pods', 'deployments')) as synced_at,
                  (select o.asked_replicas from observed_deployments o
                   where o.cluster_id = w.cluster_id and o.namespace = w.name and o.name = d.name and o.deployment_id = d.id and o.slipway_generation = d.generation and o.asked_replicas <> v.replicas) as scaled_to,
                  coalesce((select o.others from observed_deployments o
                            where o.cluster_id = w.cluster_id and o.namespace = w.name and o.name = d.name and o.deployment_id = d.id and o.slipway_generation = d.generation), '[]')
                  || coalesce((select jsonb_agg(f) from inventory i, jsonb_array_elements(i.others) f where i.object_id = d.id and i.kind <> 'Deployment'), '[]') as "others!",
                  (select o.id from operations o where o.object_id = d.id order by o.id desc limit 1) as "operation: OperationId"
           from deployments d
           join workspaces w on w.id = d.workspace_id
           join revisions v on v.deployment_id = d.id and v.number = d.revision
           join releases r on r.id = v.release_id
           where d.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Those of the workspace's names that begin with this text.
pub(super) async fn names_like(conn: &mut PgConnection, workspace: WorkspaceId, start: &str) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("select name from deployments where workspace_id = $1 and starts_with(name, $2)", workspace.0, start).fetch_all(conn).await?)
}

pub(super) async fn is_taken(conn: &mut PgConnection, workspace: WorkspaceId, name: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select exists (select from deployments where workspace_id = $1 and name = $2) as "taken!""#, workspace.0, name).fetch_one(conn).await?)
}
