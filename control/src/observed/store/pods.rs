//! Pods as they are seen.

use domain::ids::ClusterId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{super::rows::PodRow, Kept};
use crate::Result;

impl Kept for PodRow {
    const KIND: &'static str = "pods";
    const POKES: bool = true;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Last words that were fetched stay for as long as the row is about the same end of the container.
    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with said as (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text, uid text, deployment_id uuid, revision integer, node text, phase text, ready boolean,
                       terminating boolean, restarts integer, reason text, message text, last_exit jsonb, created_at timestamptz)
               ), fresh as (
                   select r.namespace, r.name, r.uid, r.deployment_id, r.revision, r.node, r.phase, r.ready, r.terminating, r.restarts, r.reason, r.message, r.created_at,
                       case when r.last_exit ->> 'last_words' is null and o.uid = r.uid and o.last_exit -> 'finished_at' = r.last_exit -> 'finished_at' then o.last_exit
                            else nullif(r.last_exit, 'null') end as last_exit
                   from said r
                   join deployments d on d.id = r.deployment_id
                   join workspaces w on w.id = d.workspace_id and w.cluster_id = $1 and w.name = r.namespace
                   left join observed_pods o on o.cluster_id = $1 and o.namespace = r.namespace and o.name = r.name
               ), removed as (
                   delete from observed_pods o
                   where cluster_id = $1
                     and (o.namespace || '/' || o.name = any($3)
                          or ((o.namespace, o.name) not in (select namespace, name from fresh) and ($4 or (o.namespace, o.name) in (select namespace, name from said))))
                   returning deployment_id
               ), put as (
                   insert into observed_pods as o (cluster_id, namespace, name, uid, deployment_id, revision, node, phase, ready, terminating, restarts, reason, message, last_exit, created_at)
                   select $1, namespace, name, uid, deployment_id, revision, node, phase, ready, terminating, restarts, reason, message, last_exit, created_at from fresh
                   on conflict (cluster_id, namespace, name) do update
                   set uid = excluded.uid, deployment_id = excluded.deployment_id, revision = excluded.revision, node = excluded.node, phase = excluded.phase, ready = excluded.ready,
                       terminating = excluded.terminating, restarts = excluded.restarts, reason = excluded.reason, message = excluded.message, last_exit = excluded.last_exit,
                       created_at = excluded.created_at
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
