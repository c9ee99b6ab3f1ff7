//! The SQL of clusters that are ahead of the database.

use domain::{cluster::NewerThing, ids::ClusterId, operation::ObjectKind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// Whether a cluster may be written to.
pub struct Standing {
    pub name: String,
    pub writable: bool,
}

pub async fn lock_standing(conn: &mut PgConnection, id: ClusterId) -> Result<Option<Standing>> {
    Ok(sqlx::query_as!(Standing, r#"select name, read_only_since is null as "writable!" from clusters where id = $1 for no key update"#, id.0).fetch_optional(conn).await?)
}

/// Notes a generation that was found in the cluster. False when this database is not behind it any more.
pub async fn note_newer(conn: &mut PgConnection, id: ClusterId, (kind, object): (ObjectKind, Uuid), there: i64) -> Result<bool> {
    let noted = sqlx::query!(
        "insert into newer_in_cluster (object_id, cluster_id, object_kind, generation)
         select t.id, $2, $3, $4 from (select id, generation from deployments union all select id, generation from workspaces) t where t.id = $1 and t.generation < $4
         on conflict (object_id) do update set generation = greatest(newer_in_cluster.generation, excluded.generation), seen_at = now()",
        object,
        id.0,
        kind as ObjectKind,
        there
    )
    .execute(conn)
    .await?;
    Ok(noted.rows_affected() == 1)
}

pub async fn set_read_only(conn: &mut PgConnection, id: ClusterId) -> Result<()> {
    sqlx::query!("update clusters set read_only_since = now(), version = version + 1 where id = $1", id.0).execute(conn).await?;
    Ok(())
}

pub async fn set_writable(conn: &mut PgConnection, id: ClusterId) -> Result<()> {
    sqlx::query!("delete from newer_in_cluster where cluster_id = $1", id.0).execute(&mut *conn).await?;
    sqlx::query!("update clusters set read_only_since = null, writable_since = now(), version = version + 1 where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// What the cluster holds in a newer generation, workspaces first.
pub async fn newer(conn: &mut PgConnection, id: ClusterId) -> Result<Vec<NewerThing>> {
    Ok(sqlx::query_as!(
        NewerThing,
        r#"select n.object_kind as "kind: ObjectKind", n.object_id as id, coalesce(d.name, w.name) as "name!", coalesce(dw.name, w.name) as "workspace!",
                  coalesce(d.generation, w.generation) as "ours!", n.generation as there
           from newer_in_cluster n
           left join deployments d on d.id = n.object_id
           left join workspaces dw on dw.id = d.workspace_id
           left join workspaces w on w.id = n.object_id
           where n.cluster_id = $1 and (d.id is not null or w.id is not null)
           order by (d.id is not null), 4, 3, 2"#,
        id.0
    )
    .fetch_all(conn)
    .await?)
}
