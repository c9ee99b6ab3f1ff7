//! The SQL that operations on deployments need.

use std::collections::BTreeMap;

use domain::{
    Timestamp,
    audit::ActorKind,
    cluster::{Capacity, ClusterState},
    deployment::{DeploymentState, LastExit, Pod, Variable},
    ids::{ClusterId, DeploymentId, ModelId, OperationId, ReleaseId, TeamId, WorkspaceId},
    serving::Protocol,
    size::Size,
    workspace::{Quota, WorkspaceState},
};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{preview::Room, spec::Spec};
use crate::{Actor, Result};

/// A deployment as its operations need it.
pub(super) struct Found {
    pub id: DeploymentId,
    pub name: String,
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub team: TeamId,
    pub team_name: String,
    pub cluster: ClusterId,
    pub revision: i32,
    pub generation: i64,
    pub deleting: bool,
    /// Whether the wanted revision came up, and nothing holds it.
    pub settled: bool,
    pub version: i64,
}

/// A release as deployments need it.
#[derive(Clone)]
pub(super) struct Release {
    pub id: ReleaseId,
    pub model: ModelId,
    pub model_name: String,
    pub number: i32,
    pub team: TeamId,
    pub repository_uri: String,
    pub digest: String,
    pub port: i32,
    pub health_path: String,
    pub size: Size,
}

impl Release {
    /// `iris 2`
    pub fn title(&self) -> String {
        format!("{} {}", self.model_name, self.number)
    }

    /// What a node pulls.
    pub fn image(&self) -> String {
        format!("{}@{}", self.repository_uri, self.digest)
    }
}

/// A workspace as deployments need it.
pub(super) struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub team: TeamId,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub state: WorkspaceState,
    pub quota: Quota,
}

pub(super) async fn find(conn: &mut PgConnection, id: DeploymentId) -> Result<Option<Found>> {
    Ok(sqlx::query_as!(
        Found,
        r#"select d.id as "id: DeploymentId", d.name, w.id as "workspace: WorkspaceId", w.name as workspace_name, t.id as "team: TeamId", t.name as team_name,
                  w.cluster_id as "cluster: ClusterId", d.revision, d.generation, d.deleting_at is not null as "deleting!",
                  d.live_revision is not distinct from d.revision and not d.held and d.state <> 'failed' as "settled!", d.version
           from deployments d join workspaces w on w.id = d.workspace_id join teams t on t.id = w.team_id
           where d.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Locks the deployment, and before it its workspace: every change that asks for more does so one after the other.
pub(super) async fn lock(conn: &mut PgConnection, id: DeploymentId) -> Result<()> {
    sqlx::query!("select id from workspaces where id = (select workspace_id from deployments where id = $1) for update", id.0).fetch_optional(&mut *conn).await?;
    sqlx::query!("select id from deployments where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn release(conn: &mut PgConnection, id: ReleaseId) -> Result<Option<Release>> {
    // Locked, so that it cannot be deleted under a new revision.
    Ok(sqlx::query_as!(
        Release,
        r#"select r.id as "id: ReleaseId", m.id as "model: ModelId", m.name as model_name, r.number, m.team_id as "team: TeamId", r.repository_uri, r.digest, r.port, r.health_path,
                  r.size as "size: Size"
           from releases r join models m on m.id = r.model_id where r.id = $1 for key share of r"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

pub(super) async fn workspace(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Workspace>> {
    let row = sqlx::query!(
        r#"select w.id as "id: WorkspaceId", w.name, w.team_id as "team: TeamId", w.cluster_id as "cluster: ClusterId", c.name as cluster_name,
                  w.state as "state: WorkspaceState", w.cpu_millis, w.memory_mib, w.gpus, w.pods
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
        quota: Quota { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
    }))
}

pub(super) async fn lock_workspace(conn: &mut PgConnection, id: WorkspaceId) -> Result<()> {
    sqlx::query!("select id from workspaces where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// What the workspace's deployments ask for, without one of them.
pub(super) async fn used(conn: &mut PgConnection, workspace: WorkspaceId, without: Option<DeploymentId>) -> Result<Quota> {
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

pub(super) async fn insert(conn: &mut PgConnection, id: DeploymentId, workspace: WorkspaceId, name: &str) -> sqlx::Result<()> {
    sqlx::query!("insert into deployments (id, workspace_id, name) values ($1, $2, $3)", id.0, workspace.0, name).execute(conn).await?;
    Ok(())
}

/// What a revision is made from, besides its spec.
pub(super) struct Because<'a> {
    pub reason: Option<&'a str>,
    pub rolled_back_to: Option<i32>,
}

pub(super) async fn insert_revision(conn: &mut PgConnection, id: DeploymentId, number: i32, spec: &Spec, because: Because<'_>, actor: &Actor) -> Result<()> {
    sqlx::query!(
        "insert into revisions (deployment_id, number, release_id, size, replicas, environment, rolled_back_to, reason, actor_kind, actor_id, created_by_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id.0,
        number,
        spec.release.0,
        spec.size as Size,
        spec.replicas,
        serde_json::to_value(&spec.environment)?,
        because.rolled_back_to,
        because.reason,
        actor.kind() as ActorKind,
        actor.id(),
        actor.name()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The next wanted revision: raises number and generation, and releases a hold.
pub(super) async fn revise(conn: &mut PgConnection, id: DeploymentId) -> Result<(i32, i64)> {
    let row = sqlx::query!(
        "update deployments
         set revision = revision + 1, generation = generation + 1, version = version + 1, held = false, state = 'pending', state_message = null, changed_at = now()
         where id = $1 returning revision, generation",
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok((row.revision, row.generation))
}

pub(super) async fn delete_begins(conn: &mut PgConnection, id: DeploymentId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update deployments
         set deleting_at = coalesce(deleting_at, now()), generation = generation + 1, version = version + 1, held = false, state = 'deleting', state_message = null, changed_at = now()
         where id = $1 returning generation",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// A revision's spec with its release's title.
pub(super) struct Wanted {
    pub spec: Spec,
    pub release: Release,
}

pub(super) async fn wanted(conn: &mut PgConnection, id: DeploymentId, number: i32) -> Result<Option<Wanted>> {
    let row = sqlx::query!(
        r#"select v.size as "size: Size", v.replicas, v.environment, r.id as "release: ReleaseId", m.id as "model: ModelId", m.name as model_name, r.number, m.team_id as "team: TeamId",
                  r.repository_uri, r.digest, r.port, r.health_path, r.size as "release_size: Size"
           from revisions v join releases r on r.id = v.release_id join models m on m.id = r.model_id
           where v.deployment_id = $1 and v.number = $2"#,
        id.0,
        number
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Wanted {
        spec: Spec { release: row.release, size: row.size, replicas: row.replicas, environment: serde_json::from_value(row.environment)? },
        release: Release {
            id: row.release,
            model: row.model,
            model_name: row.model_name,
            number: row.number,
            team: row.team,
            repository_uri: row.repository_uri,
            digest: row.digest,
            port: row.port,
            health_path: row.health_path,
            size: row.release_size,
        },
    }))
}

/// The revision whose pods these are: the earliest with the same release, size and environment. A revision that only
/// scales, or goes back, finds the pods it wants running already.
pub(super) async fn template_revision(conn: &mut PgConnection, id: DeploymentId, number: i32) -> Result<i32> {
    Ok(sqlx::query_scalar!(
        r#"select min(e.number) as "number!" from revisions e join revisions v on v.deployment_id = e.deployment_id and (e.release_id, e.size, e.environment) = (v.release_id, v.size, v.environment)
           where v.deployment_id = $1 and v.number = $2"#,
        id.0,
        number
    )
    .fetch_one(conn)
    .await?)
}

/// A revision with its release in words.
pub(super) struct Recorded {
    pub number: i32,
    pub release: ReleaseId,
    pub model_name: String,
    pub release_number: i32,
    pub size: Size,
    pub replicas: i32,
    pub environment: Vec<Variable>,
    pub rolled_back_to: Option<i32>,
    pub reason: Option<String>,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// The newest revisions first, at most a few hundred.
pub(super) async fn revisions(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<Recorded>> {
    let rows = sqlx::query!(
        r#"select v.number, v.release_id as "release: ReleaseId", m.name as model_name, r.number as release_number, v.size as "size: Size", v.replicas, v.environment, v.rolled_back_to, v.reason,
                  v.created_by_name, v.created_at
           from revisions v join releases r on r.id = v.release_id join models m on m.id = r.model_id
           where v.deployment_id = $1 order by v.number desc limit 300"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Recorded {
                number: row.number,
                release: row.release,
                model_name: row.model_name,
                release_number: row.release_number,
                size: row.size,
                replicas: row.replicas,
                environment: serde_json::from_value(row.environment)?,
                rolled_back_to: row.rolled_back_to,
                reason: row.reason,
                created_by: row.created_by_name,
                created_at: Timestamp(row.created_at),
            })
        })
        .collect()
}

/// What a deployment's page shows besides its row in the list.
pub(super) struct Detail {
    pub cluster: ClusterId,
    pub model: ModelId,
    pub release: ReleaseId,
    pub protocol: Protocol,
    pub repository_uri: String,
    pub digest: String,
    pub environment: Value,
    pub metadata: Option<Value>,
    pub synced_at: Option<OffsetDateTime>,
    pub operation: Option<OperationId>,
    pub created_at: OffsetDateTime,
    pub version: i64,
}

pub(super) async fn detail(conn: &mut PgConnection, id: DeploymentId) -> Result<Option<Detail>> {
    Ok(sqlx::query_as!(
        Detail,
        r#"select w.cluster_id as "cluster: ClusterId", r.model_id as "model: ModelId", r.id as "release: ReleaseId", r.protocol as "protocol: Protocol", r.repository_uri, r.digest,
                  v.environment, d.metadata, d.created_at, d.version,
                  (select min(s.synced_at) from observed_sync s where s.cluster_id = w.cluster_id and s.kind in ('pods', 'deployments')) as synced_at,
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

/// The replicas that the cluster's watch saw.
pub(super) async fn pods(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<Pod>> {
    let rows = sqlx::query!(
        r#"select p.name, p.revision, p.node, n.zone as "zone?", p.phase, p.ready, p.restarts, p.reason, p.message, p.last_exit, p.created_at
           from observed_pods p left join observed_nodes n on n.cluster_id = p.cluster_id and n.name = p.node
           where p.deployment_id = $1 order by p.revision desc, p.name limit 500"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let last_exit: Option<LastExit> = row.last_exit.map(serde_json::from_value).transpose()?;
            Ok(Pod {
                name: row.name,
                revision: row.revision,
                node: row.node,
                zone: row.zone,
                phase: row.phase,
                ready: row.ready,
                restarts: row.restarts,
                reason: row.reason,
                message: row.message,
                last_exit,
                created_at: Timestamp(row.created_at),
            })
        })
        .collect()
}

/// How the reconciler last found it.
pub(super) async fn set_state(conn: &mut PgConnection, id: DeploymentId, state: DeploymentState, message: Option<&str>, ready: i32) -> Result<bool> {
    let changed = sqlx::query!(
        "update deployments set state = $2, state_message = $3, ready_replicas = $4
         where id = $1 and (state, state_message, ready_replicas) is distinct from ($2, $3, $4)",
        id.0,
        state as DeploymentState,
        message,
        ready
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

pub(super) async fn is_taken(conn: &mut PgConnection, workspace: WorkspaceId, name: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select exists (select from deployments where workspace_id = $1 and name = $2) as "taken!""#, workspace.0, name).fetch_one(conn).await?)
}

pub(super) async fn cluster_standing(conn: &mut PgConnection, id: ClusterId) -> Result<(ClusterState, Option<String>)> {
    let row = sqlx::query!(r#"select state as "state: ClusterState", state_message from clusters where id = $1"#, id.0).fetch_one(conn).await?;
    Ok((row.state, row.state_message))
}

/// The nodes that take pods, by name, each all free.
pub(super) async fn nodes(conn: &mut PgConnection, cluster: ClusterId) -> Result<BTreeMap<String, Room>> {
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
pub(super) async fn placed(conn: &mut PgConnection, cluster: ClusterId) -> Result<Vec<(String, Size)>> {
    let rows = sqlx::query!(
        r#"select p.node as "node!", v.size as "size: Size" from observed_pods p join revisions v on v.deployment_id = p.deployment_id and v.number = p.revision
           where p.cluster_id = $1 and p.node is not null and p.phase in ('Pending', 'Running')"#,
        cluster.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.node, row.size)).collect())
}

/// What a prediction needs.
pub(super) struct Served {
    pub protocol: Protocol,
    pub port: i32,
    /// The model's name in its own server.
    pub name: String,
    pub pod: Option<ServingPod>,
}

/// A replica that answers.
pub(super) struct ServingPod {
    pub name: String,
    pub revision: i32,
}

/// A ready replica, of the newest revision that has one, with how it is talked to.
pub(super) async fn served(conn: &mut PgConnection, id: DeploymentId) -> Result<Served> {
    let row = sqlx::query!(
        r#"select p.name as "pod?", p.revision as "revision?", r.protocol as "protocol: Protocol", r.port, coalesce(d.metadata ->> 'name', m.name) as "name!"
           from deployments d
           left join lateral (
               select name, revision from observed_pods where deployment_id = d.id and ready and not terminating order by revision desc, random() limit 1
           ) p on true
           join revisions v on v.deployment_id = d.id and v.number = coalesce(p.revision, d.revision)
           join releases r on r.id = v.release_id
           join models m on m.id = r.model_id
           where d.id = $1"#,
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok(Served { protocol: row.protocol, port: row.port, name: row.name, pod: row.pod.zip(row.revision).map(|(name, revision)| ServingPod { name, revision }) })
}

/// The names of the replicas, newest revision first.
pub(super) async fn replica_names(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("select name from observed_pods where deployment_id = $1 order by revision desc, created_at", id.0).fetch_all(conn).await?)
}
