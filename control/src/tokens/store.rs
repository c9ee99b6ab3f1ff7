//! The SQL of tokens.

use domain::{
    Timestamp,
    access::{Limit, PlatformRole, TeamRole},
    ids::{TeamId, TokenId, UserId},
    token::{Token, TokenKind},
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Actor, Control, Ctx, Named, Result, paging::Paging, sessions::Used};

/// A token to make.
pub(super) struct NewRow<'a> {
    pub id: TokenId,
    pub hash: [u8; 32],
    pub prefix: &'a str,
    pub name: &'a str,
    pub kind: TokenKind,
    pub owner: Option<UserId>,
    pub limit: Option<&'a (Named<TeamId>, TeamRole)>,
    pub days: u16,
}

/// A token that is not revoked, with whose it is when it is personal.
pub(super) struct Found {
    pub token: Token,
    pub owner: Option<UserId>,
}

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub token: Token,
}

struct Row {
    id: TokenId,
    name: String,
    kind: TokenKind,
    prefix: String,
    user_id: Option<UserId>,
    team_id: Option<TeamId>,
    team_name: Option<String>,
    role: Option<TeamRole>,
    created_by_name: String,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    key: String,
}

impl From<Row> for Token {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            kind: row.kind,
            prefix: row.prefix,
            team: row.team_id,
            team_name: row.team_name,
            role: row.role,
            created_by: row.created_by_name,
            created_at: Timestamp(row.created_at),
            expires_at: Timestamp(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp),
        }
    }
}

pub(super) async fn insert(conn: &mut PgConnection, ctx: &Ctx, new: NewRow<'_>) -> Result<()> {
    sqlx::query!(
        "insert into tokens (id, secret_hash, prefix, name, kind, user_id, team_id, role, created_by, created_by_name, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(days => $11))",
        new.id.0,
        &new.hash[..],
        new.prefix,
        new.name,
        new.kind as TokenKind,
        new.owner.map(|user| user.0),
        new.limit.map(|(team, _)| team.id.0),
        new.limit.map(|(_, role)| *role) as Option<TeamRole>,
        ctx.actor().user_id().map(|user| user.0),
        ctx.actor().name(),
        i32::from(new.days)
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn find(conn: &mut PgConnection, id: TokenId) -> Result<Option<Found>> {
    let row = sqlx::query_as!(
        Row,
        r#"select t.id as "id: TokenId", t.name, t.kind as "kind: TokenKind", t.prefix, t.user_id as "user_id: UserId", t.team_id as "team_id: TeamId", m.name as "team_name?",
                  t.role as "role: TeamRole", t.created_by_name, t.created_at, t.expires_at, t.last_used_at, '' as "key!"
           from tokens t left join teams m on m.id = t.team_id where t.id = $1 and t.revoked_at is null"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Found { owner: row.user_id, token: row.into() }))
}

/// `user`'s personal tokens, the token `itself`, or `team`'s.
pub(super) async fn list(conn: &mut PgConnection, user: Option<UserId>, itself: Option<Uuid>, team: Option<TeamId>, paging: &Paging) -> Result<Vec<Listed>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select t.id as "id: TokenId", t.name, t.kind as "kind: TokenKind", t.prefix, t.user_id as "user_id: UserId", t.team_id as "team_id: TeamId", m.name as "team_name?",
                  t.role as "role: TeamRole", t.created_by_name, t.created_at, t.expires_at, t.last_used_at, k as "key!"
           from tokens t left join teams m on m.id = t.team_id
           cross join lateral (select case $4
               when 'name' then lower(t.name)
               when 'expires_at' then to_char(t.expires_at at time zone 'utc', 'YYYYMMDDHH24MISSUS')
               else to_char(t.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') end as k) s
           where t.revoked_at is null and (t.user_id = $1 or t.id = $2 or (t.kind = 'team' and t.team_id = $3))
             and ($5::text is null or t.name ilike $5 or t.prefix ilike $5)
             and ($6::text is null or case when $8 then (k, t.id) < ($6, $7) else (k, t.id) > ($6, $7) end)
           order by case when $8 then k end desc, case when not $8 then k end asc, case when $8 then t.id end desc, case when not $8 then t.id end asc
           limit $9"#,
        user.map(|user| user.0),
        itself,
        team.map(|team| team.0),
        paging.sort,
        paging.search,
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), token: row.into() }).collect())
}

pub(super) async fn revoke(conn: &mut PgConnection, id: TokenId) -> Result<bool> {
    Ok(sqlx::query!("update tokens set revoked_at = now() where id = $1 and revoked_at is null", id.0).execute(conn).await?.rows_affected() == 1)
}

pub(super) async fn revoke_all(conn: &mut PgConnection, user: UserId) -> Result<u64> {
    Ok(sqlx::query!("update tokens set revoked_at = now() where user_id = $1 and revoked_at is null", user.0).execute(conn).await?.rows_affected())
}

pub(super) async fn authenticate(control: &Control, hash: &[u8; 32], used: Used) -> Result<Option<Actor>> {
    let row = sqlx::query!(
        r#"select t.id as "id: TokenId", t.name, t.user_id as "user_id: UserId", u.name as "user_name?", t.team_id as "team_id: TeamId", t.role as "role: TeamRole",
                  u.platform_role as "platform_role: PlatformRole", t.last_used_at is null or t.last_used_at < now() - interval '1 minute' as "stale!"
           from tokens t left join users u on u.id = t.user_id
           where t.secret_hash = $1 and t.revoked_at is null and t.expires_at > now() and (u.id is null or u.disabled_at is null)"#,
        hash
    )
    .fetch_optional(&mut *control.reads.get().await?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.stale && used == Used::Now {
        sqlx::query!(
            "with token as (update tokens set last_used_at = now() where id = $1 returning user_id)
             update users set last_seen_at = now() from token where id = user_id",
            row.id.0
        )
        .execute(&control.pool)
        .await?;
    }
    let limit = row.team_id.zip(row.role).map(|(team, role)| Limit { team, role });
    Ok(match (row.user_id, limit) {
        // Whoever reads the record wants to know the person first.
        (Some(user), limit) => {
            let name = row.user_name.map_or_else(|| row.name.clone(), |person| format!("{person}, with token {}", row.name));
            Some(Actor::personal_token(row.id, user, name, row.platform_role, limit))
        }
        (None, Some(limit)) => Some(Actor::team_token(row.id, row.name, limit)),
        (None, None) => None,
    })
}

pub(super) async fn sweep(control: &Control) -> Result<u64> {
    Ok(sqlx::query!("delete from tokens where least(revoked_at, expires_at) < now() - interval '90 days'").execute(&control.pool).await?.rows_affected())
}
