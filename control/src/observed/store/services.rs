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
    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with there as (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text)
               )
               update inventory i set seen_at = 'epoch'
               from deployments d join workspaces w on w.id = d.workspace_id
               where w.cluster_id = $1 and i.object_id = d.id and i.kind = 'Service' and i.applied_at is not null
                 and (i.namespace || '/' || i.name = any($3) or ($4 and (i.namespace, i.name) not in (select namespace, name from there)))
               returning d.id"#,
            cluster.0,
            rows,
            gone,
            whole
        )
        .fetch_all(conn)
        .await?)
    }
}
