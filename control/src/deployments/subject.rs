//! A deployment as its reconciler needs it: what is wanted, and what was written down about it.

use domain::{
    audit::ActorKind,
    cluster::ClusterState,
    deployment::Variable,
    ids::{ClusterId, DeploymentId, TeamId, WorkspaceId},
    operation::ChangedField,
    serving::Protocol,
    size::Size,
    workspace::WorkspaceState,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    manifests::Blueprint,
    next::{Carried, Dead, Desired, Intent, Metadata, Place},
    revising::APPLY_AGAIN,
    store,
};
use crate::{
    Control, Result,
    access::{WORKER, kubernetes_name},
    clusters::why_read_only,
    inventory::cluster::{Owner, Shown, When},
    k8s::labels,
    operations::{self, Running},
};

/// A deployment with everything around it.
pub(super) struct Subject {
    pub id: DeploymentId,
    pub team: TeamId,
    pub team_name: String,
    pub workspace: WorkspaceId,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub model_name: String,
    pub repository: String,
    pub blueprint: Blueprint,
    pub desired: Desired,
    pub operation: Option<Running>,
    /// Who holds it.
    pub held_by: Option<(ActorKind, Option<Uuid>)>,
    pub live_revision: Option<i32>,
    /// Whether any of its objects may have been made.
    pub begun: bool,
    /// Seconds since everything was applied.
    pub applied_for: Option<f64>,
    /// Whether its objects were not looked at one by one for a while.
    pub verify: bool,
    /// What others set of its objects, the Deployment aside, when they were looked at last.
    pub others: Vec<ChangedField>,
    /// What of others' fields its wanted revision may take over.
    pub takes_over: Vec<Shown>,
}

impl Subject {
    /// Whose its objects are.
    pub fn owner(&self) -> Owner {
        Owner { installation: self.blueprint.installation, label: labels::DEPLOYMENT, id: self.id.0, generation: self.desired.generation }
    }

    /// How its objects are written.
    pub fn when(&self) -> When<'_> {
        if self.takes_over.is_empty() { When::Always } else { When::TakingOver(&self.takes_over) }
    }

    /// In whose name a step is done: whoever started the operation, or holds what it was about; Slipway's worker for a heal.
    pub fn person(&self) -> String {
        let running = self.operation.as_ref().map(|running| (running.actor_kind, running.actor_id));
        running.or(self.held_by).map_or_else(|| WORKER.to_owned(), |(kind, id)| kubernetes_name(kind, id))
    }
}

struct Row {
    name: String,
    generation: i64,
    revision: i32,
    held: bool,
    held_by_kind: Option<ActorKind>,
    held_by_id: Option<Uuid>,
    deleting: bool,
    live_revision: Option<i32>,
    metadata_revision: Option<i32>,
    workspace_name: String,
    workspace_state: WorkspaceState,
    workspace_made: bool,
    team: TeamId,
    team_name: String,
    cluster: ClusterId,
    cluster_name: String,
    cluster_state: ClusterState,
    cluster_message: Option<String>,
    read_only: bool,
    model_name: String,
    repository: String,
    repository_uri: String,
    digest: String,
    port: i32,
    health_path: String,
    protocol: Protocol,
    size: Size,
    replicas: i32,
    environment: serde_json::Value,
    entries: i64,
    applied: i64,
    applied_at: Option<OffsetDateTime>,
    applied_for: Option<f64>,
    verify: bool,
    takes_over: serde_json::Value,
    others: serde_json::Value,
    workspace: WorkspaceId,
}

/// How many objects a deployment has.
const OBJECTS: i64 = 4;

pub(super) async fn load(control: &Control, id: DeploymentId) -> Result<Option<Subject>> {
    let mut conn = control.pool.acquire().await?;
    let row = sqlx::query_as!(
        Row,
        r#"select d.name, d.generation, d.revision, d.held, d.held_by_kind as "held_by_kind: ActorKind", d.held_by_id, d.deleting_at is not null as "deleting!", d.live_revision, d.metadata_revision,
                  w.name as workspace_name, w.state as "workspace_state: WorkspaceState", w.synced_at is not null as "workspace_made!", t.id as "team: TeamId", t.name as team_name,
                  c.id as "cluster: ClusterId", c.name as cluster_name, c.state as "cluster_state: ClusterState", c.state_message as cluster_message, c.read_only_since is not null as "read_only!", m.name as model_name, r.repository,
                  r.repository_uri, r.digest, r.port, r.health_path, r.protocol as "protocol: Protocol", v.size as "size: Size", v.replicas, v.environment, v.takes_over, w.id as "workspace: WorkspaceId",
                  coalesce((select jsonb_agg(f) from inventory o, jsonb_array_elements(o.others) f where o.object_id = d.id and o.kind <> 'Deployment'), '[]') as "others!",
                  i.entries as "entries!", i.applied as "applied!", i.applied_at, extract(epoch from now() - i.applied_at)::float8 as applied_for,
                  coalesce(i.seen_at < now() - interval '10 minutes' or i.missed, true) as "verify!"
           from deployments d
           join workspaces w on w.id = d.workspace_id
           join teams t on t.id = w.team_id
           join clusters c on c.id = w.cluster_id
           join revisions v on v.deployment_id = d.id and v.number = d.revision
           join releases r on r.id = v.release_id
           join models m on m.id = r.model_id
           cross join lateral (select count(*) as entries, coalesce(min(generation), 0) as applied, max(applied_at) as applied_at, min(seen_at) as seen_at, coalesce(bool_or(missed_at > seen_at), false) as missed from inventory where object_id = d.id) i
           where d.id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let template_revision = store::template_revision(&mut conn, id, row.revision).await?;
    let operation = operations::running(&mut conn, id.0).await?.filter(|running| running.generation == row.generation);
    // What an older database wants again is applied by nobody who asked to take anything over.
    let takes_over = match &operation {
        Some(running) if running.verb != APPLY_AGAIN.0 => serde_json::from_value(row.takes_over.clone())?,
        _ => Vec::new(),
    };
    let environment: Vec<Variable> = serde_json::from_value(row.environment.clone())?;
    let place = place(&row);
    let intent = match (row.deleting, row.held) {
        (true, _) => Intent::Delete,
        (false, true) => Intent::Hold,
        (false, false) => Intent::Run,
    };
    let metadata = match row.protocol {
        Protocol::OpenInferenceV2 if row.metadata_revision != Some(template_revision) => Metadata::Wanted,
        Protocol::OpenInferenceV2 | Protocol::Http => Metadata::Settled,
    };
    let desired = Desired {
        intent,
        generation: row.generation,
        revision: row.revision,
        template_revision,
        replicas: row.replicas,
        applied: if row.entries < OBJECTS { 0 } else { row.applied },
        operation: if operation.is_some() { Carried::ByAnOperation } else { Carried::No },
        came_up: row.live_revision == Some(row.revision),
        metadata,
        place,
    };
    let blueprint = Blueprint {
        installation: control.installation,
        deployment: id,
        name: row.name,
        namespace: row.workspace_name,
        generation: row.generation,
        revision: row.revision,
        template_revision,
        image: format!("{}@{}", row.repository_uri, row.digest),
        port: row.port,
        health_path: row.health_path,
        size: row.size,
        replicas: row.replicas,
        environment,
    };
    Ok(Some(Subject {
        id,
        team: row.team,
        team_name: row.team_name,
        cluster: row.cluster,
        cluster_name: row.cluster_name,
        model_name: row.model_name,
        repository: row.repository,
        blueprint,
        desired,
        operation,
        held_by: row.held_by_kind.map(|kind| (kind, row.held_by_id)),
        live_revision: row.live_revision,
        begun: row.entries > 0,
        applied_for: row.applied_at.and(row.applied_for),
        verify: row.verify,
        others: serde_json::from_value(row.others)?,
        workspace: row.workspace,
        takes_over,
    }))
}

fn place(row: &Row) -> Place {
    if row.read_only && row.cluster_state != ClusterState::Gone {
        return Place::NotYet(why_read_only(&row.cluster_name));
    }
    match (row.cluster_state, row.workspace_state) {
        (ClusterState::Gone, _) => Place::Never(Dead::ClusterGone),
        (ClusterState::Connecting, _) => Place::NotYet(format!("The cluster {} is still being connected.", row.cluster_name)),
        (ClusterState::NeedsAccess | ClusterState::Unreachable, _) => {
            Place::NotYet(row.cluster_message.clone().unwrap_or_else(|| format!("Slipway does not get through to the cluster {}.", row.cluster_name)))
        }
        (ClusterState::Connected, WorkspaceState::Failed) if !row.workspace_made => Place::Never(Dead::WorkspaceFailed),
        (ClusterState::Connected, WorkspaceState::Preparing) => Place::NotYet(format!("The workspace {} is still being prepared.", row.workspace_name)),
        // One that was made serves as it was before the change that failed.
        (ClusterState::Connected, WorkspaceState::Ready | WorkspaceState::Failed | WorkspaceState::Deleting) => Place::Ready,
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        access::TeamRole,
        deployment::{DeploymentChange, NewDeployment},
    };
    use sqlx::PgPool;

    use super::*;
    use crate::{deployments, testing::World, workspaces::fixture};

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn a_hold_is_done_in_the_name_of_whoever_holds(pool: PgPool) {
        let world = World::new(pool).await;
        let place = fixture::Place::new(&world).await;
        let (ada, bo) = (place.member(&world, "ada", TeamRole::Deployer).await, place.member(&world, "bo", TeamRole::Deployer).await);
        let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
        let started = deployments::create(&ada, &new).await.unwrap();
        let id = DeploymentId(started.object);
        let person = async || load(&world.control, id).await.unwrap().unwrap().person();
        assert_eq!(person().await, ada.actor().kubernetes_name());
        operations::cancel(&bo, started.operation).await.unwrap();
        assert_eq!(person().await, bo.actor().kubernetes_name());
        let change = DeploymentChange { replicas: Some(2), ..DeploymentChange::default() };
        deployments::change(&ada, id, &change).await.unwrap();
        assert_eq!(person().await, ada.actor().kubernetes_name());
        sqlx::query("update operations set state = 'succeeded'").execute(&world.control.pool).await.unwrap();
        assert_eq!(person().await, WORKER, "nobody holds it any more");
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn only_a_workspace_that_was_never_made_is_of_no_use(pool: PgPool) {
        let world = World::new(pool).await;
        let place = fixture::Place::new(&world).await;
        let ada = place.member(&world, "ada", TeamRole::Deployer).await;
        let new = NewDeployment { release: place.releases[0], workspace: place.workspace, name: None, size: None, replicas: None, environment: Vec::new(), reason: None };
        let id = DeploymentId(deployments::create(&ada, &new).await.unwrap().object);
        let place_of = async || load(&world.control, id).await.unwrap().unwrap().desired.place;
        sqlx::query("update workspaces set state = 'failed'").execute(&world.control.pool).await.unwrap();
        assert_eq!(place_of().await, Place::Never(Dead::WorkspaceFailed));
        sqlx::query("update workspaces set synced_at = now()").execute(&world.control.pool).await.unwrap();
        assert_eq!(place_of().await, Place::Ready, "a change of its quota failed, and it serves as before");
    }
}
