//! What Slipway made, as it is missed, or not as it was made.

use domain::ids::ClusterId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::rows::{Piece, PieceRow},
    Kept,
};
use crate::Result;

impl<K: Piece> Kept for PieceRow<K> {
    const KIND: &'static str = K::PLURAL;
    const POKES: bool = true;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// No rows of their own are kept: what others changed of one is written beside what was made. A deployment or workspace that misses one is verified at once:
    /// whether it really is missing, the cluster is asked then.
    /// It is another version then: who takes over what others set must have seen it.
    /// It and its mark are locked before what is written down of it, as workers do.
    async fn put(conn: &mut PgConnection, cluster: ClusterId, rows: serde_json::Value, gone: &[String], whole: bool) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar!(
            r#"with there as materialized (
                   select * from jsonb_to_recordset($2) as r (namespace text, name text, generation bigint, own jsonb, others jsonb)
               ), gone as materialized (
                   select split_part(key, '/', 1) as namespace, split_part(key, '/', 2) as name from unnest($3::text[]) as g (key)
               ), told as materialized (
                   -- A list tells of everything, a change only of what it names: that is found by the index.
                   select i as whole, i.* from (select namespace, name from there union select namespace, name from gone) t join inventory i on i.kind = $5 and i.namespace = t.namespace and i.name = t.name
                   where not $4
                   union all
                   select i as whole, i.* from workspaces w join inventory i on i.object_id = w.id and i.kind = $5 where $4 and w.cluster_id = $1
                   union all
                   select i as whole, i.* from workspaces w join deployments d on d.workspace_id = w.id join inventory i on i.object_id = d.id and i.kind = $5 where $4 and w.cluster_id = $1
               ), made as materialized (
                   select t.object_id, t.namespace, t.name, t.others, t.whole as made
                   from told t left join deployments d on d.id = t.object_id join workspaces w on w.id = coalesce(d.workspace_id, t.object_id)
                   where w.cluster_id = $1 and t.applied_at is not null
               ), missing as materialized (
                   select object_id, namespace, name from made
                   where (namespace, name) in (select namespace, name from gone) or ($4 and (namespace, name) not in (select namespace, name from there))
               ), changed as materialized (
                   select made.object_id, made.namespace, made.name, now.others
                   from there join made on made.namespace = there.namespace and made.name = there.name
                   cross join lateral (select changed_fields(made.made, there.generation, there.own, there.others) as others) now
                   where made.others is distinct from now.others
               ), spaces as materialized (
                   select id from workspaces where id in (select object_id from changed) order by id for no key update
               ), runs as materialized (
                   select id from deployments where id in (select object_id from changed) and (select count(*) from spaces) >= 0 order by id for no key update
               ), marks as materialized (
                   select object_id from reconcile
                   where object_id in (select object_id from missing union select object_id from changed) and (select count(*) from runs) >= 0
                   order by object_id for update
               ), missed as (
                   update inventory i set missed_at = clock_timestamp()
                   from missing m join marks on marks.object_id = m.object_id
                   where i.object_id = m.object_id and i.kind = $5 and i.namespace = m.namespace and i.name = m.name
                   returning i.object_id
               ), noted as (
                   update inventory i set others = c.others, others_at = clock_timestamp()
                   from changed c join marks on marks.object_id = c.object_id
                   where i.object_id = c.object_id and i.kind = $5 and i.namespace = c.namespace and i.name = c.name
                   returning i.object_id
               ), shown_by_space as (
                   update workspaces set version = version + 1 where id in (select object_id from noted)
               ), shown_by_run as (
                   update deployments set version = version + 1 where id in (select object_id from noted)
               )
               select object_id as "id!" from missed union select object_id from noted"#,
            cluster.0,
            rows,
            gone,
            whole,
            &*K::kind(&())
        )
        .fetch_all(conn)
        .await?)
    }
}
