//! The SQL of releases. Nothing here updates a row: releases never change.

use domain::{
    Rejected, Timestamp,
    error::Blocker,
    ids::{AccountId, ModelId, ReleaseId, TeamId},
    model::Release,
    serving::Protocol,
    size::Size,
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Actor, Result, paging::Paging};

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub release: Release,
}

struct Row {
    id: ReleaseId,
    model: ModelId,
    model_name: String,
    team: TeamId,
    team_name: String,
    number: i32,
    account: AccountId,
    region: String,
    repository: String,
    tag: String,
    digest: String,
    same_as: Option<i32>,
    repository_uri: String,
    port: i32,
    health_path: String,
    protocol: Protocol,
    size: Size,
    notes: String,
    created_by: String,
    created_at: OffsetDateTime,
    key: String,
}

impl From<Row> for Release {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            model: row.model,
            model_name: row.model_name,
            team: row.team,
            team_name: row.team_name,
            number: row.number,
            account: row.account,
            region: row.region,
            repository: row.repository,
            tag: row.tag,
            digest: row.digest,
            same_as: row.same_as,
            repository_uri: row.repository_uri,
            port: u16::try_from(row.port).expect("a constraint keeps ports between 1 and 65535"),
            health_path: row.health_path,
            protocol: row.protocol,
            size: row.size,
            notes: row.notes,
            created_by: row.created_by,
            created_at: Timestamp(row.created_at),
        }
    }
}

/// The release, whoever asks; its operations check what they may.
pub(super) async fn find(conn: &mut PgConnection, id: ReleaseId) -> Result<Release> {
    sqlx::query_as!(
        Row,
        r#"select r.id as "id: ReleaseId", o.id as "model: ModelId", o.name as model_name, t.id as "team: TeamId", t.name as team_name, r.number,
                  (select min(e.number) from releases e where e.model_id = r.model_id and e.digest = r.digest and e.number < r.number) as same_as,
                  r.account_id as "account: AccountId", r.region, r.repository, r.tag, r.digest, r.repository_uri, r.port, r.health_path,
                  r.protocol as "protocol: Protocol", r.size as "size: Size", r.notes, r.created_by_name as created_by, r.created_at, '' as "key!"
           from releases r join models o on o.id = r.model_id join teams t on t.id = o.team_id where r.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?
    .map(Release::from)
    .ok_or_else(|| Rejected::not_found("release").into())
}

/// Locks it for its deletion: revisions that are being made of it wait, or are waited for.
pub(super) async fn lock_to_delete(conn: &mut PgConnection, id: ReleaseId) -> Result<()> {
    sqlx::query!("select id from releases where id = $1 for update", id.0).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn list(conn: &mut PgConnection, actor: &Actor, model: Option<ModelId>, paging: &Paging) -> Result<Vec<Listed>> {
    let visible = actor.visible();
    let rows = sqlx::query_as!(
        Row,
        r#"select r.id as "id: ReleaseId", o.id as "model: ModelId", o.name as model_name, t.id as "team: TeamId", t.name as team_name, r.number,
                  (select min(e.number) from releases e where e.model_id = r.model_id and e.digest = r.digest and e.number < r.number) as same_as,
                  r.account_id as "account: AccountId", r.region, r.repository, r.tag, r.digest, r.repository_uri, r.port, r.health_path,
                  r.protocol as "protocol: Protocol", r.size as "size: Size", r.notes, r.created_by_name as created_by, r.created_at, k as "key!"
           from releases r join models o on o.id = r.model_id join teams t on t.id = o.team_id
           cross join lateral (select case $4 when 'number' then lpad(r.number::text, 10, '0') else to_char(r.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') end as k) s
           where ($1 or exists (select from members m where m.team_id = t.id and m.user_id = $2))
             and ($3::uuid is null or t.id = $3)
             and ($5::text is null or o.name ilike $5 or r.repository ilike $5 or r.tag ilike $5 or r.digest ilike $5 or r.notes ilike $5)
             and ($10::uuid is null or o.id = $10)
             and ($6::text is null or case when $8 then (k, r.id) < ($6, $7) else (k, r.id) > ($6, $7) end)
           order by case when $8 then k end desc, case when not $8 then k end asc, case when $8 then r.id end desc, case when not $8 then r.id end asc
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
        model.map(|model| model.0)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), release: row.into() }).collect())
}

/// A new release.
pub(super) struct New<'a> {
    pub id: ReleaseId,
    pub model: ModelId,
    pub number: i32,
    pub account: AccountId,
    pub region: &'a str,
    pub repository: &'a str,
    pub repository_uri: &'a str,
    pub tag: &'a str,
    pub digest: &'a str,
    pub port: u16,
    pub health_path: &'a str,
    pub protocol: Protocol,
    pub size: Size,
    pub notes: &'a str,
    pub created_by: &'a str,
}

pub(super) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, notes, created_by_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        new.id.0,
        new.model.0,
        new.number,
        new.account.0,
        new.region,
        new.repository,
        new.repository_uri,
        new.tag,
        new.digest,
        i32::from(new.port),
        new.health_path,
        new.protocol as Protocol,
        new.size as Size,
        new.notes,
        new.created_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The number of the release that is the same in all that decides how it runs, if there is one.
pub(super) async fn twin(conn: &mut PgConnection, new: &New<'_>) -> Result<Option<i32>> {
    let number = sqlx::query_scalar!(
        "select number from releases
         where model_id = $1 and account_id = $2 and region = $3 and repository = $4 and digest = $5 and port = $6 and health_path = $7 and protocol = $8 and size = $9
         order by number limit 1",
        new.model.0,
        new.account.0,
        new.region,
        new.repository,
        new.digest,
        i32::from(new.port),
        new.health_path,
        new.protocol as Protocol,
        new.size as Size
    );
    Ok(number.fetch_optional(conn).await?)
}

pub(super) async fn delete(conn: &mut PgConnection, id: ReleaseId) -> Result<()> {
    sqlx::query!("delete from releases where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// Deployments with a revision, present or past, of the release.
pub(super) async fn blockers(conn: &mut PgConnection, id: ReleaseId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!(
        r#"select distinct d.name as "name!", '/deployments/' || d.id as "path!" from deployments d join revisions v on v.deployment_id = d.id where v.release_id = $1 order by 1 limit 50"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: "deployment".into(), name: row.name, path: row.path }).collect())
}
