//! Services as they are missed, or not as they were made.

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

    /// No rows of their own are kept: what others set of one is written beside what was made. A deployment whose Service is missing is verified at once:
    /// whether it really is, the cluster is asked then.
    /// Its mark is locked before what is written down of it, as workers do.
    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with there as materialized (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text, others jsonb)
               ), missing as materialized (
                   select i.object_id, i.namespace, i.name
                   from inventory i join deployments d on d.id = i.object_id join workspaces w on w.id = d.workspace_id
                   where w.cluster_id = $1 and i.kind = 'Service' and i.applied_at is not null
                     and (i.namespace || '/' || i.name = any($3) or ($4 and (i.namespace, i.name) not in (select namespace, name from there)))
               ), changed as materialized (
                   select i.object_id, i.namespace, i.name, there.others
                   from there join inventory i on i.kind = 'Service' and i.namespace = there.namespace and i.name = there.name
                   join deployments d on d.id = i.object_id join workspaces w on w.id = d.workspace_id
                   where w.cluster_id = $1 and i.applied_at is not null and i.others is distinct from there.others
               ), marks as materialized (
                   select object_id from reconcile where object_id in (select object_id from missing union select object_id from changed) order by object_id for update
               ), missed as (
                   update inventory i set missed_at = clock_timestamp()
                   from missing m join marks on marks.object_id = m.object_id
                   where i.object_id = m.object_id and i.kind = 'Service' and i.namespace = m.namespace and i.name = m.name
                   returning i.object_id
               ), told as (
                   update inventory i set others = c.others
                   from changed c join marks on marks.object_id = c.object_id
                   where i.object_id = c.object_id and i.kind = 'Service' and i.namespace = c.namespace and i.name = c.name
                   returning i.object_id
               )
               select object_id as "id!" from missed union select object_id from told"#,
            cluster.0,
            rows,
            gone,
            whole
        )
        .fetch_all(conn)
        .await?)
    }
}
