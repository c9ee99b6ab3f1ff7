//! Deployments as they are seen.

use domain::ids::ClusterId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{super::rows::DeploymentRow, Kept};
use crate::Result;

impl Kept for DeploymentRow {
    const KIND: &'static str = "deployments";
    const POKES: bool = true;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with said as (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text, deployment_id uuid, uid text, resource_version text, installation text, slipway_generation bigint,
                       revision integer, observed_by_controller boolean, asked_replicas integer, replicas integer, updated_replicas integer, ready_replicas integer, available_replicas integer, stalled text, paused boolean, own jsonb, others jsonb)
               ), fresh as (
                   select said.*, coalesce(changed_fields(i, nullif(said.slipway_generation, 0), said.own, said.others), said.others) as changed
                   from said join deployments d on d.id = said.deployment_id and d.name = said.name
                   join workspaces w on w.id = d.workspace_id and w.cluster_id = $1 and w.name = said.namespace
                   left join inventory i on i.object_id = d.id and i.kind = 'Deployment' and i.namespace = said.namespace and i.name = said.name
               ), changed as materialized (
                   -- Another version: who takes over what others set must have seen it.
                   select id from deployments
                   where id in (select f.deployment_id from fresh f
                                left join observed_deployments o on o.cluster_id = $1 and o.namespace = f.namespace and o.name = f.name
                                where coalesce(o.others, '[]') is distinct from f.changed)
                   order by id for no key update
               ), counted as (
                   update deployments set version = version + 1 where id in (select id from changed)
               ), removed as (
                   delete from observed_deployments o
                   where cluster_id = $1
                     and (o.namespace || '/' || o.name = any($3)
                          or ((o.namespace, o.name) not in (select namespace, name from fresh) and ($4 or (o.namespace, o.name) in (select namespace, name from said))))
                   returning deployment_id
               ), put as (
                   insert into observed_deployments as o (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision,
                       observed_by_controller, asked_replicas, replicas, updated_replicas, ready_replicas, available_replicas, stalled, paused, others)
                   select $1, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision,
                       observed_by_controller, asked_replicas, replicas, updated_replicas, ready_replicas, available_replicas, stalled, paused, changed from fresh
                   where (select count(*) from changed) >= 0
                   on conflict (cluster_id, namespace, name) do update
                   set deployment_id = excluded.deployment_id, uid = excluded.uid, resource_version = excluded.resource_version, installation = excluded.installation,
                       slipway_generation = excluded.slipway_generation, revision = excluded.revision, observed_by_controller = excluded.observed_by_controller,
                       asked_replicas = excluded.asked_replicas, replicas = excluded.replicas, updated_replicas = excluded.updated_replicas, ready_replicas = excluded.ready_replicas,
                       available_replicas = excluded.available_replicas, stalled = excluded.stalled, paused = excluded.paused, others = excluded.others
                   where o is distinct from excluded
                   returning deployment_id
               )
               select deployment_id as "id!" from removed union select deployment_id from put"#,
            cluster.0,
            rows,
            gone,
            whole
        )
        .fetch_all(conn)
        .await?)
    }
}
