//! The SQL of accounts.

use domain::{
    Rejected, Timestamp,
    account::{Account, AccountCheck, GrantedPrefix},
    error::Blocker,
    ids::{AccountId, TeamId},
};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;

use super::grants::Grant;
use crate::{Result, paging::Paging};

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub account: Account,
}

struct Row {
    id: AccountId,
    name: String,
    aws_account_id: String,
    role_arn: Option<String>,
    external_id: String,
    regions: Vec<String>,
    checks: Json<Vec<AccountCheck>>,
    check_error: Option<String>,
    check_error_raw: Option<String>,
    checked_at: Option<OffsetDateTime>,
    version: i64,
    created_at: OffsetDateTime,
    clusters: i64,
    prefixes: Json<Vec<GrantedPrefix>>,
    key: String,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            aws_account_id: row.aws_account_id,
            role_arn: row.role_arn,
            external_id: row.external_id,
            regions: row.regions,
            checks: row.checks.0,
            check_error: row.check_error,
            check_error_raw: row.check_error_raw,
            checked_at: row.checked_at.map(Timestamp),
            clusters: row.clusters,
            prefixes: row.prefixes.0,
            created_at: Timestamp(row.created_at),
            version: row.version,
        }
    }
}

/// The role to assume and the external id to give.
pub(super) async fn credentials(conn: &mut PgConnection, id: AccountId) -> Result<Option<(Option<String>, String)>> {
    let row = sqlx::query!("select role_arn, external_id from accounts where id = $1", id.0).fetch_optional(conn).await?;
    Ok(row.map(|row| (row.role_arn, row.external_id)))
}

/// The account, whoever asks; its operations check what they may.
pub(super) async fn find(conn: &mut PgConnection, id: AccountId) -> Result<Account> {
    sqlx::query_as!(
        Row,
        r#"select a.id as "id: AccountId", a.name, a.aws_account_id, a.role_arn, a.external_id, a.regions, a.checks as "checks: Json<Vec<AccountCheck>>",
                  a.check_error, a.check_error_raw, a.checked_at, a.version, a.created_at, a.name as "key!",
                  (select count(*) from clusters c where c.account_id = a.id) as "clusters!",
                  (select coalesce(jsonb_agg(jsonb_build_object('prefix', p.prefix, 'team', t.id, 'team_name', t.name) order by p.prefix), '[]')
                   from repository_prefixes p join teams t on t.id = p.team_id where p.account_id = a.id) as "prefixes!: Json<Vec<GrantedPrefix>>"
           from accounts a where a.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?
    .map(Account::from)
    .ok_or_else(|| Rejected::not_found("account").into())
}

/// Loads and locks for a change, which leaves references to it alone; whether the actor may is checked before.
pub(super) async fn lock(conn: &mut PgConnection, id: AccountId) -> Result<Account> {
    sqlx::query!("select id from accounts where id = $1 for no key update", id.0).fetch_optional(&mut *conn).await?;
    find(conn, id).await
}

/// Loads and locks for its deletion: nothing comes to refer to it any more.
pub(super) async fn lock_to_delete(conn: &mut PgConnection, id: AccountId) -> Result<Account> {
    sqlx::query!("select id from accounts where id = $1 for update", id.0).fetch_optional(&mut *conn).await?;
    find(conn, id).await
}

pub(super) async fn list(conn: &mut PgConnection, paging: &Paging) -> Result<Vec<Listed>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select a.id as "id: AccountId", a.name, a.aws_account_id, a.role_arn, a.external_id, a.regions, a.checks as "checks: Json<Vec<AccountCheck>>",
                  a.check_error, a.check_error_raw, a.checked_at, a.version, a.created_at, k as "key!",
                  (select count(*) from clusters c where c.account_id = a.id) as "clusters!",
                  (select coalesce(jsonb_agg(jsonb_build_object('prefix', p.prefix, 'team', t.id, 'team_name', t.name) order by p.prefix), '[]')
                   from repository_prefixes p join teams t on t.id = p.team_id where p.account_id = a.id) as "prefixes!: Json<Vec<GrantedPrefix>>"
           from accounts a
           cross join lateral (select case $1 when 'created_at' then to_char(a.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') else a.name end as k) s
           where ($2::text is null or a.name ilike $2 or a.aws_account_id ilike $2 or a.role_arn ilike $2)
             and ($3::text is null or case when $5 then (k, a.id) < ($3, $4) else (k, a.id) > ($3, $4) end)
           order by case when $5 then k end desc, case when not $5 then k end asc, case when $5 then a.id end desc, case when not $5 then a.id end asc
           limit $6"#,
        paging.sort,
        paging.search,
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), account: row.into() }).collect())
}

/// A new account.
pub(super) struct New<'a> {
    pub id: AccountId,
    pub name: &'a str,
    pub aws_account_id: &'a str,
    pub role_arn: Option<&'a str>,
    pub external_id: &'a str,
    pub regions: &'a [String],
}

pub(super) async fn insert(conn: &mut PgConnection, new: &New<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into accounts (id, name, aws_account_id, role_arn, external_id, regions) values ($1, $2, $3, $4, $5, $6)",
        new.id.0,
        new.name,
        new.aws_account_id,
        new.role_arn,
        new.external_id,
        new.regions
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_regions(conn: &mut PgConnection, id: AccountId, regions: &[String]) -> Result<()> {
    sqlx::query!("update accounts set regions = $2, version = version + 1 where id = $1", id.0, regions).execute(conn).await?;
    Ok(())
}

/// What was found out with the role before says nothing about the new one.
pub(super) async fn set_role(conn: &mut PgConnection, id: AccountId, role_arn: Option<&str>, aws_account_id: &str) -> Result<()> {
    sqlx::query!(
        "update accounts set role_arn = $2, aws_account_id = $3, checks = '[]', check_error = null, check_error_raw = null, checked_at = null, version = version + 1 where id = $1",
        id.0,
        role_arn,
        aws_account_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what a check found.
pub(super) async fn set_checks(conn: &mut PgConnection, id: AccountId, aws_account_id: &str, checks: &[AccountCheck], error: Option<&Rejected>) -> Result<()> {
    sqlx::query!(
        "update accounts set aws_account_id = $2, checks = $3, check_error = $4, check_error_raw = $5, checked_at = now(), version = version + 1 where id = $1",
        id.0,
        aws_account_id,
        serde_json::to_value(checks)?,
        error.map(|error| error.message.as_str()),
        error.and_then(|error| error.raw.as_deref())
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn delete(conn: &mut PgConnection, id: AccountId) -> Result<()> {
    sqlx::query!("delete from accounts where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// What still needs the account.
pub(super) async fn blockers(conn: &mut PgConnection, id: AccountId) -> Result<Vec<Blocker>> {
    let rows = sqlx::query!(
        r#"select 'cluster' as "kind!", name as "name!", '/clusters/' || id as "path!" from clusters where account_id = $1
           union all select 'release', m.name || ' ' || r.number, '/models/' || m.id from releases r join models m on m.id = r.model_id where r.account_id = $1
           union all select 'repository prefix', prefix, '/accounts/' || account_id from repository_prefixes where account_id = $1
           limit 50"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Blocker { kind: row.kind, name: row.name, path: row.path }).collect())
}

/// A prefix that is somebody's.
pub(super) struct Taken {
    pub prefix: String,
    pub team_name: String,
    pub account_name: String,
}

/// One grant at a time, across accounts: two of them may be the same AWS account.
pub(super) async fn lock_prefixes(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('repository_prefixes'))").fetch_one(conn).await?;
    Ok(())
}

/// Another team's prefix in the same AWS account that holds this one or is held by it.
pub(super) async fn overlapping(conn: &mut PgConnection, aws_account_id: &str, prefix: &str, team: TeamId) -> Result<Option<Taken>> {
    Ok(sqlx::query_as!(
        Taken,
        "select p.prefix, t.name as team_name, a.name as account_name
         from repository_prefixes p join teams t on t.id = p.team_id join accounts a on a.id = p.account_id
         where a.aws_account_id = $1 and p.team_id <> $3 and (starts_with(p.prefix, $2) or starts_with($2, p.prefix))
         order by p.prefix limit 1",
        aws_account_id,
        prefix,
        team.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Whether it is new.
pub(super) async fn insert_prefix(conn: &mut PgConnection, account: AccountId, prefix: &str, team: TeamId) -> Result<bool> {
    let inserted = sqlx::query!("insert into repository_prefixes (account_id, prefix, team_id) values ($1, $2, $3) on conflict do nothing", account.0, prefix, team.0)
        .execute(&mut *conn)
        .await?;
    touch(conn, account).await?;
    Ok(inserted.rows_affected() == 1)
}

pub(super) async fn delete_prefix(conn: &mut PgConnection, account: AccountId, prefix: &str) -> Result<()> {
    sqlx::query!("delete from repository_prefixes where account_id = $1 and prefix = $2", account.0, prefix).execute(&mut *conn).await?;
    touch(conn, account).await
}

async fn touch(conn: &mut PgConnection, id: AccountId) -> Result<()> {
    sqlx::query!("update accounts set version = version + 1 where id = $1", id.0).execute(conn).await?;
    Ok(())
}

/// Everything that was given to a team.
pub(super) async fn grants(conn: &mut PgConnection, team: TeamId) -> Result<Vec<Grant>> {
    Ok(sqlx::query_as!(
        Grant,
        r#"select a.id as "account: AccountId", a.name as account_name, a.role_arn, a.external_id, a.regions, array_agg(p.prefix order by p.prefix) as "prefixes!"
           from repository_prefixes p join accounts a on a.id = p.account_id
           where p.team_id = $1
           group by a.id
           order by a.name"#,
        team.0
    )
    .fetch_all(conn)
    .await?)
}
