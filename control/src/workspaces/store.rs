//! The SQL of workspaces.

use domain::{
    Timestamp,
    cluster::ClusterState,
    error::Blocker,
    ids::{ClusterId, TeamId, WorkspaceId},
    operation::ChangedField,
    workspace::{Adopt, Quota, Workspace, WorkspaceState},
};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Places, next::Intent, subject::Subject};
use crate::{Result, access::Visible, inventory::cluster::Shown, paging::Paging};

/// What the list is narrowed to.
pub(super) struct Only {
    pub team: Option<TeamId>,
    pub cluster: Option<ClusterId>,
    pub needs_a_look: Option<bool>,
}

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub workspace: Workspace,
}

struct Row {
    key: String,
    id: WorkspaceId,
    name: String,
    team: TeamId,
    team_name: String,
    cluster: ClusterId,
    cluster_name: String,
    cluster_state: ClusterState,
    cluster_read_only_since: Option<OffsetDateTime>,
    cluster_seen_at: Option<OffsetDateTime>,
    region: String,
    enforces_network_policies: Option<bool>,
    state: WorkspaceState,
    state_message: Option<String>,
    others: Json<Vec<ChangedField>>,
    adopted: bool,
    cpu_millis: i64,
    memory_mib: i64,
    gpus: i64,
    pods: i64,
    used_cpu_millis: i64,
    used_memory_mib: i64,
    used_gpus: i64,
    used_pods: i64,
    deployments: i64,
    synced_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    version: i64,
}

impl From<Row> for Workspace {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            team: row.team,
            team_name: row.team_name,
            cluster: row.cluster,
            cluster_name: row.cluster_name,
            cluster_state: row.cluster_state,
            cluster_read_only_since: row.cluster_read_only_since.map(Timestamp),
            cluster_seen_at: row.cluster_seen_at.map(Timestamp),
            region: row.region,
            network_policies_enforced: row.enforces_network_policies,
            state: row.state,
            state_message: row.state_message,
            others: row.others.0,
            adopted: row.adopted,
            quota: Quota { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
            used: Quota { cpu_millis: row.used_cpu_millis, memory_mib: row.used_memory_mib, gpus: row.used_gpus, pods: row.used_pods },
            deployments: row.deployments,
            synced_at: row.synced_at.map(Timestamp),
            created_at: Timestamp(row.created_at),
            version: row.version,
        }
    }
}

/// What sizes ask for, as rows to join with: the sizes themselves are in [`domain::size::Size`].
pub(crate) struct Sizes {
    pub names: Vec<String>,
    pub cpu_millis: Vec<i64>,
    pub memory_mib: Vec<i64>,
    pub gpus: Vec<i64>,
}

impl Sizes {
    pub(crate) fn all() -> Self {
        let all = domain::size::Size::ALL;
        Self {
            names: all.iter().map(|size| size.as_str().to_owned()).collect(),
            cpu_millis: all.iter().map(|size| size.cpu_millis()).collect(),
            memory_mib: all.iter().map(|size| size.memory_mib()).collect(),
            gpus: all.iter().map(|size| size.gpus()).collect(),
        }
    }
}

pub(super) async fn find(conn: &mut PgConnection, visible: Visible, id: WorkspaceId) -> Result<Option<Workspace>> {
    let sizes = Sizes::all();
    let row = sqlx::query_as!(
        Row,
        r#"select '' as "key!", w.id as "id: WorkspaceId", w.name, w.team_id as "team: TeamId", t.name as team_name, w.cluster_id as "cluster: ClusterId", c.name as cluster_name, c.region, c.enforces_network_policies,
                  c.state as "cluster_state: ClusterState", c.read_only_since as cluster_read_only_since,
                  (select min(o.synced_at) from observed_sync o where o.cluster_id = c.id and o.kind in ('pods', 'deployments')) as cluster_seen_at,
                  w.state as "state: WorkspaceState", w.state_message, (select coalesce(jsonb_agg(f.field order by i.kind, i.name, f.number), '[]') from inventory i, jsonb_array_elements(i.others) with ordinality as f (field, number) where i.object_id = w.id) as "others!: Json<Vec<ChangedField>>", w.adopted, w.cpu_millis, w.memory_mib, w.gpus, w.pods, w.synced_at, w.created_at, w.version,
                  u.cpu_millis as "used_cpu_millis!", u.memory_mib as "used_memory_mib!", u.gpus as "used_gpus!", u.pods as "used_pods!", u.deployments as "deployments!"
           from workspaces w
           join teams t on t.id = w.team_id
           join clusters c on c.id = w.cluster_id
           cross join lateral (
               select coalesce(sum(r.replicas * s.cpu_millis), 0)::bigint as cpu_millis, coalesce(sum(r.replicas * s.memory_mib), 0)::bigint as memory_mib,
                      coalesce(sum(r.replicas * s.gpus), 0)::bigint as gpus, coalesce(sum(r.replicas), 0)::bigint as pods, count(*) as deployments
               from deployments d
               join revisions r on r.deployment_id = d.id and r.number = d.revision
               join unnest($5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) as s (name, cpu_millis, memory_mib, gpus) on s.name = r.size::text
               where d.workspace_id = w.id
           ) u
           where w.id = $4 and ($1 or w.team_id in (select team_id from members where user_id = $2)) and ($3::uuid is null or w.team_id = $3)"#,
        visible.all,
        visible.user,
        visible.team,
        id.0,
        &sizes.names,
        &sizes.cpu_millis,
        &sizes.memory_mib,
        &sizes.gpus
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Workspace::from))
}

pub(super) async fn places(conn: &mut PgConnection, visible: Visible) -> Result<Places> {
    Ok(sqlx::query_as!(
        Places,
        r#"select array(select t.name from teams t
                        where ($1 or t.id in (select team_id from members where user_id = $2)) and ($3::uuid is null or t.id = $3)
                          and exists (select from workspaces w where w.team_id = t.id)
                        order by t.name limit 100) as "teams!",
                  array(select c.name from clusters c
                        where exists (select from workspaces w where w.cluster_id = c.id and ($1 or w.team_id in (select team_id from members where user_id = $2)) and ($3::uuid is null or w.team_id = $3))
                        order by c.name limit 100) as "clusters!""#,
        visible.all,
        visible.user,
        visible.team
    )
    .fetch_one(conn)
    .await?)
}

pub(super) async fn list(conn: &mut PgConnection, visible: Visible, only: Only, paging: &Paging) -> Result<Vec<Listed>> {
    let sizes = Sizes::all();
    let rows = sqlx::query_as!(
        Row,
        r#"select k as "key!", w.id as "id: WorkspaceId", w.name, w.team_id as "team: TeamId", t.name as team_name, w.cluster_id as "cluster: ClusterId", c.name as cluster_name, c.region, c.enforces_network_policies,
                  c.state as "cluster_state: ClusterState", c.read_only_since as cluster_read_only_since,
                  (select min(o.synced_at) from observed_sync o where o.cluster_id = c.id and o.kind in ('pods', 'deployments')) as cluster_seen_at,
                  w.state as "state: WorkspaceState", w.state_message, (select coalesce(jsonb_agg(f.field order by i.kind, i.name, f.number), '[]') from inventory i, jsonb_array_elements(i.others) with ordinality as f (field, number) where i.object_id = w.id) as "others!: Json<Vec<ChangedField>>", w.adopted, w.cpu_millis, w.memory_mib, w.gpus, w.pods, w.synced_at, w.created_at, w.version,
                  u.cpu_millis as "used_cpu_millis!", u.memory_mib as "used_memory_mib!", u.gpus as "used_gpus!", u.pods as "used_pods!", u.deployments as "deployments!"
           from workspaces w
           join teams t on t.id = w.team_id
           join clusters c on c.id = w.cluster_id
           cross join lateral (select case $4 when 'created_at' then to_char(w.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') else w.name end as k) s
           cross join lateral (
               select coalesce(sum(r.replicas * z.cpu_millis), 0)::bigint as cpu_millis, coalesce(sum(r.replicas * z.memory_mib), 0)::bigint as memory_mib,
                      coalesce(sum(r.replicas * z.gpus), 0)::bigint as gpus, coalesce(sum(r.replicas), 0)::bigint as pods, count(*) as deployments
               from deployments d
               join revisions r on r.deployment_id = d.id and r.number = d.revision
               join unnest($10::text[], $11::bigint[], $12::bigint[], $13::bigint[]) as z (name, cpu_millis, memory_mib, gpus) on z.name = r.size::text
               where d.workspace_id = w.id
           ) u
           where ($1 or w.team_id in (select team_id from members where user_id = $2))
             and ($3::uuid is null or w.team_id = $3)
             and ($5::text is null or w.name ilike $5 or t.name ilike $5 or c.name ilike $5)
             and ($14::uuid is null or w.team_id = $14)
             and ($15::uuid is null or w.cluster_id = $15)
             -- As Workspace::needs_a_look has it.
             and ($16::boolean is null or $16 = (w.state = 'failed' or (w.state = 'ready' and (w.state_message is not null or exists (select from inventory i where i.object_id = w.id and i.others <> '[]')))))
             and ($6::text is null or case when $8 then (k, w.id) < ($6, $7) else (k, w.id) > ($6, $7) end)
           order by case when $8 then k end desc, case when not $8 then k end asc, case when $8 then w.id end desc, case when not $8 then w.id end asc
           limit $9"#,
        visible.all,
        visible.user,
        visible.team,
        paging.sort,
        paging.search,
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit,
        &sizes.names,
        &sizes.cpu_millis,
        &sizes.memory_mib,
        &sizes.gpus,
        only.team.map(|team| team.0),
        only.cluster.map(|cluster| cluster.0),
        only.needs_a_look
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), workspace: row.into() }).collect())
}

/// Locks workspaces, in the order of their ids.
pub(super) async fn lock_all(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query!("select id from workspaces where id = any($1) order by id for no key update", ids).fetch_all(conn).await?;
    Ok(())
}

/// Locks it; gives whether it is on its way out, and whether it may take over a namespace.
pub(super) async fn lock_row(conn: &mut PgConnection, id: WorkspaceId) -> Result<(bool, Adopt)> {
    let row = sqlx::query!(r#"select deleting_at is not null as "deleting!", may_adopt from workspaces where id = $1 for no key update"#, id.0);
    Ok(row.fetch_optional(conn).await?.map_or((false, Adopt::Never), |row| (row.deleting, if row.may_adopt { Adopt::Existing } else { Adopt::Never })))
}

/// Whether what is wanted is what it was when the subject was loaded. Inside a claim's transaction its row is locked.
pub(super) async fn is_still_wanted(conn: &mut PgConnection, subject: &Subject) -> Result<bool> {
    let same = sqlx::query_scalar!(
        r#"select generation = $2 and (deleting_at is not null) = $3 as "same!" from workspaces where id = $1"#,
        subject.blueprint.workspace.0,
        subject.blueprint.generation,
        subject.desired.intent == Intent::Delete
    );
    Ok(same.fetch_optional(conn).await? == Some(true))
}

pub(super) async fn insert(conn: &mut PgConnection, id: WorkspaceId, name: &str, team: TeamId, cluster: ClusterId, adopt: Adopt, quota: &Quota) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into workspaces (id, name, team_id, cluster_id, may_adopt, cpu_millis, memory_mib, gpus, pods) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id.0,
        name,
        team.0,
        cluster.0,
        adopt == Adopt::Existing,
        quota.cpu_millis,
        quota.memory_mib,
        quota.gpus,
        quota.pods
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn update(conn: &mut PgConnection, id: WorkspaceId, quota: &Quota, adopt: Adopt) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update workspaces
         set cpu_millis = $2, memory_mib = $3, gpus = $4, pods = $5, may_adopt = $6, takes_over = '[]', generation = generation + 1, version = version + 1, state = 'preparing', state_message = null, state_raw = null
         where id = $1 returning generation",
        id.0,
        quota.cpu_millis,
        quota.memory_mib,
        quota.gpus,
        quota.pods,
        adopt == Adopt::Existing
    )
    .fetch_one(conn)
    .await?)
}

/// A workspace with its new generation.
pub(super) struct Raised {
    pub name: String,
    pub team: TeamId,
    pub team_name: String,
    pub cluster: ClusterId,
    pub cluster_name: String,
    pub generation: i64,
    /// Whether it was whole, and is to stay.
    pub ready: bool,
}

pub(super) async fn raise(conn: &mut PgConnection, id: WorkspaceId, above: i64) -> Result<Option<Raised>> {
    Ok(sqlx::query_as!(
        Raised,
        r#"update workspaces w set generation = greatest(w.generation, $2) + 1, version = w.version + 1, takes_over = '[]' from teams t where w.id = $1 and t.id = w.team_id
           returning w.name, t.id as "team: TeamId", t.name as team_name, w.cluster_id as "cluster: ClusterId",
                     (select c.name from clusters c where c.id = w.cluster_id) as "cluster_name!", w.generation, w.state = 'ready' and w.deleting_at is null as "ready!""#,
        id.0,
        above
    )
    .fetch_optional(conn)
    .await?)
}

pub(super) async fn delete_begins(conn: &mut PgConnection, id: WorkspaceId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update workspaces
         set deleting_at = coalesce(deleting_at, now()), takes_over = '[]', generation = generation + 1, version = version + 1, state = 'deleting', state_message = null, state_raw = null
         where id = $1 returning generation",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// It is to stay after all.
pub(super) async fn keep(conn: &mut PgConnection, id: WorkspaceId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update workspaces
         set deleting_at = null, takes_over = '[]', generation = generation + 1, version = version + 1, state = 'preparing', state_message = null, state_raw = null
         where id = $1 returning generation",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

/// Everything is to be written again, with what may be taken over for that.
pub(super) async fn repair(conn: &mut PgConnection, id: WorkspaceId, takes_over: &[Shown]) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "update workspaces
         set takes_over = $2, generation = generation + 1, version = version + 1, state = 'preparing', state_message = null, state_raw = null
         where id = $1 returning generation",
        id.0,
        serde_json::to_value(takes_over)?
    )
    .fetch_one(conn)
    .await?)
}

/// What is still in it.
pub(super) async fn blockers(conn: &mut PgConnection, id: WorkspaceId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!(r#"select name, '/deployments/' || id as "path!" from deployments where workspace_id = $1 order by name limit 50"#, id.0).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: "deployment".into(), name: row.name, path: row.path }).collect())
}
