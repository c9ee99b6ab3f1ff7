//! The SQL of clusters.

mod restored;

use domain::{
    Rejected, Timestamp,
    cluster::{Capacity, Cluster, ClusterCheck, ClusterConnection, ClusterState, Node},
    error::Blocker,
    ids::{AccountId, ClusterId},
};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;

use super::Placed;
use crate::{
    Named, Result,
    access::Visible,
    aws::{AccountAccess, eks::Described},
    paging::Paging,
};
pub(super) use restored::{lock_standing, newer, note_newer, set_read_only, set_writable};

/// An account to look into.
pub(super) struct Account {
    pub id: AccountId,
    pub name: String,
    pub access: AccountAccess,
    pub regions: Vec<String>,
}

/// A row of a list, with its sort key.
pub(super) struct Listed<T> {
    pub key: String,
    pub row: T,
}

struct Row {
    id: ClusterId,
    name: String,
    account: AccountId,
    account_name: String,
    region: String,
    eks_name: String,
    arn: String,
    state: ClusterState,
    state_message: Option<String>,
    state_raw: Option<String>,
    kubernetes_version: Option<String>,
    eks_status: Option<String>,
    authentication_mode: Option<String>,
    endpoint: Option<String>,
    enforces_network_policies: Option<bool>,
    read_only_since: Option<OffsetDateTime>,
    access: Json<Vec<ClusterCheck>>,
    nodes: i64,
    ready_nodes: i64,
    zones: i64,
    cpu_millis: i64,
    memory_mib: i64,
    gpus: i64,
    pods: i64,
    workspaces: i64,
    synced_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    version: i64,
    key: String,
}

impl From<Row> for Cluster {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            account: row.account,
            account_name: row.account_name,
            region: row.region,
            eks_name: row.eks_name,
            arn: row.arn,
            state: row.state,
            state_message: row.state_message,
            state_raw: row.state_raw,
            kubernetes_version: row.kubernetes_version,
            eks_status: row.eks_status,
            authentication_mode: row.authentication_mode,
            endpoint: row.endpoint,
            enforces_network_policies: row.enforces_network_policies,
            read_only_since: row.read_only_since.map(Timestamp),
            access: row.access.0,
            nodes: row.nodes,
            ready_nodes: row.ready_nodes,
            zones: row.zones,
            capacity: Capacity { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
            workspaces: row.workspaces,
            synced_at: row.synced_at.map(Timestamp),
            created_at: Timestamp(row.created_at),
            version: row.version,
        }
    }
}

/// The cluster, whoever asks; its operations check what they may.
pub(super) async fn find(conn: &mut PgConnection, id: ClusterId) -> Result<Cluster> {
    sqlx::query_as!(
        Row,
        r#"select c.id as "id: ClusterId", c.name, c.account_id as "account: AccountId", a.name as account_name, c.region, c.eks_name, c.arn, c.state as "state: ClusterState",
                  c.state_message, c.state_raw, c.kubernetes_version, c.eks_status, c.authentication_mode, c.endpoint, c.enforces_network_policies, c.read_only_since,
                  c.access as "access: Json<Vec<ClusterCheck>>", n.nodes as "nodes!", n.ready_nodes as "ready_nodes!", n.zones as "zones!", n.cpu_millis as "cpu_millis!",
                  n.memory_mib as "memory_mib!", n.gpus as "gpus!", n.pods as "pods!", (select count(*) from workspaces w where w.cluster_id = c.id) as "workspaces!",
                  greatest(c.synced_at, (select max(s.synced_at) from observed_sync s where s.cluster_id = c.id)) as synced_at, c.created_at, c.version, '' as "key!"
           from clusters c
           join accounts a on a.id = c.account_id
           cross join lateral (
               select count(*) as nodes, count(*) filter (where ready) as ready_nodes, count(distinct zone) as zones,
                      coalesce(sum(cpu_millis) filter (where ready and schedulable), 0)::bigint as cpu_millis, coalesce(sum(memory_mib) filter (where ready and schedulable), 0)::bigint as memory_mib,
                      coalesce(sum(gpus) filter (where ready and schedulable), 0)::bigint as gpus, coalesce(sum(pods) filter (where ready and schedulable), 0)::bigint as pods
               from observed_nodes o where o.cluster_id = c.id
           ) n
           where c.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?
    .map(Cluster::from)
    .ok_or_else(|| Rejected::not_found("cluster").into())
}

pub(super) async fn list(conn: &mut PgConnection, paging: &Paging, state: Option<ClusterState>) -> Result<Vec<Listed<Cluster>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select c.id as "id: ClusterId", c.name, c.account_id as "account: AccountId", a.name as account_name, c.region, c.eks_name, c.arn, c.state as "state: ClusterState",
                  c.state_message, c.state_raw, c.kubernetes_version, c.eks_status, c.authentication_mode, c.endpoint, c.enforces_network_policies, c.read_only_since,
                  c.access as "access: Json<Vec<ClusterCheck>>", n.nodes as "nodes!", n.ready_nodes as "ready_nodes!", n.zones as "zones!", n.cpu_millis as "cpu_millis!",
                  n.memory_mib as "memory_mib!", n.gpus as "gpus!", n.pods as "pods!", (select count(*) from workspaces w where w.cluster_id = c.id) as "workspaces!",
                  greatest(c.synced_at, (select max(s.synced_at) from observed_sync s where s.cluster_id = c.id)) as synced_at, c.created_at, c.version, k as "key!"
           from clusters c
           join accounts a on a.id = c.account_id
           cross join lateral (
               select count(*) as nodes, count(*) filter (where ready) as ready_nodes, count(distinct zone) as zones,
                      coalesce(sum(cpu_millis) filter (where ready and schedulable), 0)::bigint as cpu_millis, coalesce(sum(memory_mib) filter (where ready and schedulable), 0)::bigint as memory_mib,
                      coalesce(sum(gpus) filter (where ready and schedulable), 0)::bigint as gpus, coalesce(sum(pods) filter (where ready and schedulable), 0)::bigint as pods
               from observed_nodes o where o.cluster_id = c.id
           ) n
           cross join lateral (
               select case $1 when 'created_at' then to_char(c.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') when 'state' then c.state::text when 'region' then c.region
                              when 'kubernetes_version' then coalesce(c.kubernetes_version, '') else c.name end collate "C" as k
           ) s
           where ($2::text is null or c.name ilike $2 or c.eks_name ilike $2 or c.region ilike $2 or a.name ilike $2 or c.arn ilike $2)
             and ($3::cluster_state is null or c.state = $3)
             and ($4::text is null or case when $6 then (k, c.id) < ($4, $5) else (k, c.id) > ($4, $5) end)
           order by case when $6 then k end desc, case when not $6 then k end asc, case when $6 then c.id end desc, case when not $6 then c.id end asc
           limit $7"#,
        paging.sort,
        paging.search,
        state as Option<ClusterState>,
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), row: row.into() }).collect())
}

/// Nodes have no id: their place in a list is their key, made unique by their name.
pub(super) async fn nodes(conn: &mut PgConnection, id: ClusterId, paging: &Paging) -> Result<Vec<Listed<Node>>> {
    let rows = sqlx::query!(
        r#"select name, zone, instance_type, node_group, ready, schedulable, message, cpu_millis, memory_mib, gpus, pods, kubelet_version, created_at, k as "key!"
           from observed_nodes n
           cross join lateral (
               select (case $2 when 'zone' then coalesce(zone, '') || '/' when 'instance_type' then coalesce(instance_type, '') || '/'
                               when 'created_at' then to_char(created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') || '/' else '' end || name) collate "C" as k
           ) s
           where cluster_id = $1
             and ($3::text is null or name ilike $3 or zone ilike $3 or instance_type ilike $3 or node_group ilike $3)
             and ($4::text is null or case when $5 then k < $4 else k > $4 end)
           order by case when $5 then k end desc, case when not $5 then k end asc
           limit $6"#,
        id.0,
        paging.sort,
        paging.search,
        paging.after_key,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Listed {
            key: row.key,
            row: Node {
                name: row.name,
                zone: row.zone,
                instance_type: row.instance_type,
                node_group: row.node_group,
                ready: row.ready,
                schedulable: row.schedulable,
                message: row.message,
                allocatable: Capacity { cpu_millis: row.cpu_millis, memory_mib: row.memory_mib, gpus: row.gpus, pods: row.pods },
                kubelet_version: row.kubelet_version,
                created_at: Timestamp(row.created_at),
            },
        })
        .collect())
}

pub(super) async fn replicas(conn: &mut PgConnection, id: ClusterId) -> Result<Vec<Placed>> {
    Ok(sqlx::query_as!(
        Placed,
        r#"select node as "node!", name, ready, reason, restarts from observed_pods where cluster_id = $1 and node is not null and not terminating order by namespace, name limit 2000"#,
        id.0
    )
    .fetch_all(conn)
    .await?)
}

/// Loads and locks; whether the actor may is checked before.
pub(super) async fn lock(conn: &mut PgConnection, id: ClusterId) -> Result<Cluster> {
    sqlx::query!("select id from clusters where id = $1 for no key update", id.0).fetch_optional(&mut *conn).await?;
    find(conn, id).await
}

pub(super) async fn id_of(conn: &mut PgConnection, name: &str) -> Result<Option<ClusterId>> {
    Ok(sqlx::query_scalar!(r#"select id as "id: ClusterId" from clusters where name = $1"#, name).fetch_optional(conn).await?)
}

/// Whether somebody who sees these teams may know of the cluster.
pub(super) async fn is_seen(conn: &mut PgConnection, id: ClusterId, visible: Visible) -> Result<bool> {
    let seen = sqlx::query_scalar!(
        r#"select exists (
             select from clusters c where c.id = $1 and (($2 and $4::uuid is null) or exists (
               select from workspaces w where w.cluster_id = c.id and ($4::uuid is null or w.team_id = $4)
                 and ($2 or exists (select from members m where m.team_id = w.team_id and m.user_id = $3))))) as "seen!""#,
        id.0,
        visible.all,
        visible.user,
        visible.team
    );
    Ok(seen.fetch_one(conn).await?)
}

pub(super) async fn hold(conn: &mut PgConnection, id: ClusterId) -> Result<Option<Named<ClusterId>>> {
    Ok(sqlx::query_as!(Named::<ClusterId>, r#"select id as "id: ClusterId", name from clusters where id = $1 for share"#, id.0).fetch_optional(conn).await?)
}

/// Every account, for `on_behalf_of`.
pub(super) async fn accounts(conn: &mut PgConnection, on_behalf_of: &str) -> Result<Vec<Account>> {
    let rows = sqlx::query!(r#"select id as "id: AccountId", name, role_arn, external_id, regions from accounts order by name limit 500"#).fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| Account {
            id: row.id,
            name: row.name,
            access: AccountAccess { role_arn: row.role_arn, external_id: row.external_id, on_behalf_of: on_behalf_of.into() },
            regions: row.regions,
        })
        .collect())
}

/// Which clusters are attached, by ARN's parts.
pub(super) async fn attached(conn: &mut PgConnection) -> Result<Vec<(AccountId, String, String, ClusterId)>> {
    let rows = sqlx::query!(r#"select account_id as "account: AccountId", region, eks_name, id as "id: ClusterId" from clusters"#).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.account, row.region, row.eks_name, row.id)).collect())
}

/// A cluster to insert.
pub(super) struct New<'a> {
    pub id: ClusterId,
    pub name: &'a str,
    pub account: AccountId,
    pub region: &'a str,
    pub eks_name: &'a str,
    pub arn: &'a str,
    pub described: &'a Described,
    pub principal: &'a str,
}

pub(super) async fn is_attached(conn: &mut PgConnection, arn: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select exists (select from clusters where arn = $1) as "attached!""#, arn).fetch_one(conn).await?)
}

pub(super) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into clusters (id, name, account_id, region, eks_name, arn, principal_arn, eks_status, kubernetes_version, authentication_mode, endpoint, certificate_authority)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        new.id.0,
        new.name,
        new.account.0,
        new.region,
        new.eks_name,
        new.arn,
        new.principal,
        new.described.status,
        new.described.version,
        new.described.authentication_mode,
        new.described.endpoint,
        new.described.certificate_authority
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete(conn: &mut PgConnection, id: ClusterId) -> Result<()> {
    sqlx::query!("delete from clusters where id = $1", id.0).execute(&mut *conn).await?;
    // Its watches stop at once: whoever holds the lease loses it.
    sqlx::query!("delete from leases where name = $1", crate::observed::lease_name(id)).execute(conn).await?;
    Ok(())
}

/// The workspaces that stand on the cluster.
pub(super) async fn blockers(conn: &mut PgConnection, id: ClusterId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!("select id, name from workspaces where cluster_id = $1 order by name limit 100", id.0).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: "workspace".into(), name: row.name, path: format!("/workspaces/{}", row.id) }).collect())
}

/// What is known of Slipway's own way in.
pub(super) struct Access {
    pub principal: Option<String>,
    pub may_set_up: Option<bool>,
    pub borrowed: bool,
    pub generation: i64,
}

pub(super) async fn access(conn: &mut PgConnection, id: ClusterId) -> Result<Access> {
    let row = sqlx::query!(r#"select principal_arn, may_set_up, admin_policy_borrowed_at is not null as "borrowed!", generation from clusters where id = $1"#, id.0)
        .fetch_one(conn)
        .await?;
    Ok(Access { principal: row.principal_arn, may_set_up: row.may_set_up, borrowed: row.borrowed, generation: row.generation })
}

/// A new wanted generation.
pub(super) async fn raise_generation(conn: &mut PgConnection, id: ClusterId) -> Result<i64> {
    Ok(sqlx::query_scalar!("update clusters set generation = generation + 1, version = version + 1 where id = $1 returning generation", id.0).fetch_one(conn).await?)
}

/// What an admin set in place of what DescribeCluster says.
pub(super) async fn connection(conn: &mut PgConnection, id: ClusterId) -> Result<ClusterConnection> {
    let value = sqlx::query_scalar!("select connection from clusters where id = $1", id.0).fetch_one(conn).await?;
    Ok(serde_json::from_value(value)?)
}

pub(super) async fn set_connection(conn: &mut PgConnection, id: ClusterId, connection: &ClusterConnection) -> Result<i64> {
    Ok(sqlx::query_scalar!("update clusters set connection = $2, version = version + 1 where id = $1 returning generation", id.0, serde_json::to_value(connection)?)
        .fetch_one(conn)
        .await?)
}
