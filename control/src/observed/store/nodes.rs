//! Nodes as they are seen.

use domain::ids::ClusterId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{super::rows::NodeRow, Kept};
use crate::Result;

impl Kept for NodeRow {
    const KIND: &'static str = "nodes";
    const POKES: bool = false;

    fn key(&self) -> String {
        format!("/{}", self.name)
    }

    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        let changed = sqlx::query_scalar!(
            r#"with fresh as (
                   select * from jsonb_to_recordset($2) as r (name text, zone text, instance_type text, node_group text, ready boolean, schedulable boolean, message text,
                       cpu_millis bigint, memory_mib bigint, gpus bigint, pods bigint, kubelet_version text, created_at timestamptz)
               ), removed as (
                   delete from observed_nodes o where cluster_id = $1 and ('/' || o.name = any($3) or ($4 and o.name not in (select name from fresh))) returning 1
               ), put as (
                   insert into observed_nodes as o (cluster_id, name, zone, instance_type, node_group, ready, schedulable, message, cpu_millis, memory_mib, gpus, pods, kubelet_version, created_at)
                   select $1, name, zone, instance_type, node_group, ready, schedulable, message, cpu_millis, memory_mib, gpus, pods, kubelet_version, created_at from fresh
                   on conflict (cluster_id, name) do update
                   set zone = excluded.zone, instance_type = excluded.instance_type, node_group = excluded.node_group, ready = excluded.ready, schedulable = excluded.schedulable,
                       message = excluded.message, cpu_millis = excluded.cpu_millis, memory_mib = excluded.memory_mib, gpus = excluded.gpus, pods = excluded.pods,
                       kubelet_version = excluded.kubelet_version, created_at = excluded.created_at
                   where o is distinct from excluded
                   returning 1
               )
               select exists (select from removed) or exists (select from put) as "changed!""#,
            cluster.0,
            rows,
            gone,
            whole
        )
        .fetch_one(conn)
        .await?;
        Ok(if changed { vec![cluster.0] } else { Vec::new() })
    }
}
