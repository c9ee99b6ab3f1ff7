//! Services as they are missed.

use domain::ids::ClusterId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{super::rows::ServiceRow, Kept};
use crate::Result;

impl Kept for ServiceRow {
    const KIND: &'static str = "services";
    const POKES: bool = true;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// No rows are kept. A deployment whose Service is missing is verified at once: whether it really is, the cluster is asked then.
    /// Its mark is locked before what is written down of it, as workers do.
    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with there as materialized (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text)
               ), missing as materialized (
                   select i.object_id, i.namespace, i.name
                   from inventory i join deployments d on d.id = i.object_id join workspaces w on w.id = d.workspace_id
                   where w.cluster_id = $1 and i.kind = 'Service' and i.applied_at is not null
                     and (i.namespace || '/' || i.name = any($3) or ($4 and (i.namespace, i.name) not in (select namespace, name from there)))
               ), marks as materialized (
                   select object_id from reconcile where object_id in (select object_id from missing) order by object_id for update
               )
               update inventory i set missed_at = clock_timestamp()
               from missing m join marks on marks.object_id = m.object_id
               where i.object_id = m.object_id and i.kind = 'Service' and i.namespace = m.namespace and i.name = m.name
               returning i.object_id"#,
            cluster.0,
            rows,
            gone,
            whole
        )
        .fetch_all(conn)
        .await?)
    }
}
