//! The SQL of models.

use domain::{
    Rejected, Timestamp,
    error::Blocker,
    ids::{ModelId, TeamId},
    model::Model,
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Actor, Result, paging::Paging};

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub model: Model,
}

struct Row {
    id: ModelId,
    name: String,
    description: String,
    team: TeamId,
    team_name: String,
    releases: i64,
    latest_release: Option<i32>,
    deployments: i64,
    created_at: OffsetDateTime,
    version: i64,
    key: String,
}

impl From<Row> for Model {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            team: row.team,
            team_name: row.team_name,
            releases: row.releases,
            latest_release: row.latest_release,
            deployments: row.deployments,
            created_at: Timestamp(row.created_at),
            version: row.version,
        }
    }
}

/// The model, whoever asks; its operations check what they may.
pub(super) async fn find(conn: &mut PgConnection, id: ModelId) -> Result<Model> {
    sqlx::query_as!(
        Row,
        r#"select o.id as "id: ModelId", o.name, o.description, t.id as "team: TeamId", t.name as team_name, o.created_at, o.version, o.name as "key!",
                  (select count(*) from releases r where r.model_id = o.id) as "releases!",
                  (select max(number) from releases r where r.model_id = o.id) as latest_release,
                  (select count(*) from deployments d join revisions v on v.deployment_id = d.id and v.number = d.revision join releases r on r.id = v.release_id
                   where r.model_id = o.id) as "deployments!"
           from models o join teams t on t.id = o.team_id where o.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?
    .map(Model::from)
    .ok_or_else(|| Rejected::not_found("model").into())
}

/// Locks it for a change, which leaves references to it alone.
pub(super) async fn lock(conn: &mut PgConnection, id: ModelId) -> Result<()> {
    sqlx::query!("select id from models where id = $1 for no key update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// Locks it for its deletion: nothing comes to refer to it any more.
pub(super) async fn lock_to_delete(conn: &mut PgConnection, id: ModelId) -> Result<()> {
    sqlx::query!("select id from models where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn list(conn: &mut PgConnection, actor: &Actor, team: Option<TeamId>, paging: &Paging) -> Result<Vec<Listed>> {
    let visible = actor.visible();
    let rows = sqlx::query_as!(
        Row,
        r#"select o.id as "id: ModelId", o.name, o.description, t.id as "team: TeamId", t.name as team_name, o.created_at, o.version, k as "key!",
                  (select count(*) from releases r where r.model_id = o.id) as "releases!", l.number as latest_release,
                  (select count(*) from deployments d join revisions v on v.deployment_id = d.id and v.number = d.revision join releases r on r.id = v.release_id
                   where r.model_id = o.id) as "deployments!"
           from models o join teams t on t.id = o.team_id
           cross join lateral (select max(number) as number, max(created_at) as at from releases r where r.model_id = o.id) l
           cross join lateral (select case $4 when 'created_at' then to_char(o.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS')
                                              when 'latest_release' then coalesce(to_char(l.at at time zone 'utc', 'YYYYMMDDHH24MISSUS'), '')
                                              else o.name end as k) s
           where ($1 or exists (select from members m where m.team_id = t.id and m.user_id = $2))
             and ($3::uuid is null or t.id = $3)
             and ($5::text is null or o.name ilike $5 or o.description ilike $5 or t.name ilike $5)
             and ($10::uuid is null or t.id = $10)
             and ($6::text is null or case when $8 then (k, o.id) < ($6, $7) else (k, o.id) > ($6, $7) end)
           order by case when $8 then k end desc, case when not $8 then k end asc, case when $8 then o.id end desc, case when not $8 then o.id end asc
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
        team.map(|team| team.0)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), model: row.into() }).collect())
}

pub(super) async fn insert(conn: &mut PgConnection, id: ModelId, team: TeamId, name: &str, description: &str) -> sqlx::Result<()> {
    sqlx::query!("insert into models (id, team_id, name, description) values ($1, $2, $3, $4)", id.0, team.0, name, description).execute(conn).await?;
    Ok(())
}

pub(super) async fn update(conn: &mut PgConnection, id: ModelId, description: &str) -> Result<()> {
    sqlx::query!("update models set description = $2, version = version + 1 where id = $1", id.0, description).execute(conn).await?;
    Ok(())
}

/// A number is given once, even when its release is deleted later.
pub(super) async fn next_release(conn: &mut PgConnection, id: ModelId) -> Result<i32> {
    Ok(sqlx::query_scalar!(
        "update models set last_release = greatest(last_release, (select coalesce(max(number), 0) from releases where model_id = $1)) + 1 where id = $1 returning last_release",
        id.0
    )
    .fetch_one(conn)
    .await?)
}

pub(super) async fn delete(conn: &mut PgConnection, id: ModelId) -> Result<()> {
    sqlx::query!("delete from models where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// What the model still has.
pub(super) async fn blockers(conn: &mut PgConnection, id: ModelId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!(
        r#"(select distinct 'deployment' as "kind!", d.name as "name!", '/deployments/' || d.id as "path!"
            from deployments d join revisions v on v.deployment_id = d.id join releases r on r.id = v.release_id where r.model_id = $1 order by d.name limit 50)
           union all
           (select 'release', m.name || ' ' || r.number, '/models/' || m.id || '#release-' || r.number
            from releases r join models m on m.id = r.model_id where m.id = $1 order by r.number limit 50)"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: row.kind, name: row.name, path: row.path }).collect())
}
