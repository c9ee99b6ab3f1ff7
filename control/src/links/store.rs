//! The SQL of one-time links.

use domain::{
    Timestamp,
    access::{PlatformRole, TeamRole},
    ids::{LinkId, TeamId, UserId},
    user::{LinkInfo, LinkPurpose, OpenInvitation},
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{Actor, Ctx, Result, paging::Paging};

/// A link to make.
pub(super) struct NewLink<'a> {
    pub purpose: LinkPurpose,
    pub email: Option<&'a str>,
    pub user: Option<UserId>,
    pub platform_role: Option<PlatformRole>,
    pub team: Option<(TeamId, TeamRole)>,
}

impl NewLink<'_> {
    pub fn of(purpose: LinkPurpose) -> Self {
        let platform_role = (purpose == LinkPurpose::FirstAdmin).then_some(PlatformRole::Admin);
        Self { purpose, email: None, user: None, platform_role, team: None }
    }
}

pub(super) struct Made {
    pub id: LinkId,
    pub expires_at: Timestamp,
}

/// A link that was just used up.
pub(super) struct Taken {
    pub purpose: LinkPurpose,
    pub user: Option<UserId>,
    pub platform_role: Option<PlatformRole>,
    pub team: Option<(TeamId, String, TeamRole)>,
    pub made_by: String,
}

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub invitation: OpenInvitation,
}

pub(super) async fn has_admin(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select exists (select from users where platform_role = 'admin' and disabled_at is null) as "has!""#).fetch_one(conn).await?)
}

/// Two links for the first admin, used at once, make one admin.
pub(super) async fn lock_first_admin(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('slipway.first_admin'))").execute(conn).await?;
    Ok(())
}

/// Whoever invites an address, or comes in with it, does so one after the other.
pub(super) async fn lock_email(conn: &mut PgConnection, email: &str) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('slipway.invitation'), hashtext($1))", email).execute(conn).await?;
    Ok(())
}

/// Holds the team that a link gives, before the link: whoever deletes the team has it first and the link after.
pub(super) async fn hold_team(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<()> {
    sqlx::query!("select t.id from teams t where t.id = (select team_id from one_time_links where secret_hash = $1) for key share", &hash[..]).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn insert(conn: &mut PgConnection, ctx: &Ctx, hash: &[u8; 32], link: NewLink<'_>) -> Result<Made> {
    let id = LinkId::generate();
    let (team, role) = link.team.unzip();
    let expires_at = sqlx::query_scalar!(
        "insert into one_time_links (id, purpose, secret_hash, email, user_id, platform_role, team_id, team_role, created_by, created_by_name, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11)) returning expires_at",
        id.0,
        link.purpose as LinkPurpose,
        &hash[..],
        link.email,
        link.user.map(|user| user.0),
        link.platform_role as Option<PlatformRole>,
        team.map(|team| team.0),
        role as Option<TeamRole>,
        ctx.actor().user_id().map(|user| user.0),
        ctx.actor().name(),
        ctx.control().settings.link_lifetime.as_secs_f64()
    )
    .fetch_one(conn)
    .await?;
    Ok(Made { id, expires_at: Timestamp(expires_at) })
}

pub(super) async fn look(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<LinkInfo>> {
    let row = sqlx::query!(
        r#"select l.purpose as "purpose: LinkPurpose", coalesce(l.email, '') as "email!", l.platform_role as "platform_role: PlatformRole", t.name as "team?",
                  l.team_role as "team_role: TeamRole", l.created_by_name, l.expires_at
           from one_time_links l left join teams t on t.id = l.team_id
           where l.secret_hash = $1 and l.used_at is null and l.expires_at > now()"#,
        &hash[..]
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| LinkInfo {
        purpose: row.purpose,
        email: row.email,
        platform_role: row.platform_role,
        team: row.team,
        team_role: row.team_role,
        made_by: row.created_by_name,
        expires_at: Timestamp(row.expires_at),
    }))
}

/// Uses the link up.
pub(super) async fn take(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Taken>> {
    let row = sqlx::query!(
        r#"update one_time_links l set used_at = now() where l.secret_hash = $1 and l.used_at is null and l.expires_at > now()
           returning l.purpose as "purpose: LinkPurpose", l.user_id as "user_id: UserId", l.platform_role as "platform_role: PlatformRole", l.team_id as "team_id: TeamId",
                     (select name from teams t where t.id = l.team_id) as team_name, l.team_role as "team_role: TeamRole", l.created_by_name"#,
        &hash[..]
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Taken {
        purpose: row.purpose,
        user: row.user_id,
        platform_role: row.platform_role,
        team: row.team_id.zip(row.team_name).zip(row.team_role).map(|((id, name), role)| (id, name, role)),
        made_by: row.created_by_name,
    }))
}

struct Invited {
    key: String,
    id: LinkId,
    email: String,
    platform_role: Option<PlatformRole>,
    team: Option<TeamId>,
    team_name: Option<String>,
    team_role: Option<TeamRole>,
    invited_by: String,
    expires_at: OffsetDateTime,
}

impl From<Invited> for OpenInvitation {
    fn from(row: Invited) -> Self {
        Self {
            id: row.id,
            email: row.email,
            platform_role: row.platform_role,
            team: row.team,
            team_name: row.team_name,
            team_role: row.team_role,
            invited_by: row.invited_by,
            expires_at: Timestamp(row.expires_at),
        }
    }
}

pub(super) async fn invitations(conn: &mut PgConnection, paging: &Paging) -> Result<Vec<Listed>> {
    let rows = sqlx::query_as!(
        Invited,
        r#"select l.id as "id: LinkId", coalesce(l.email, '') as "email!", l.platform_role as "platform_role: PlatformRole", t.id as "team?: TeamId", t.name as "team_name?", l.team_role as "team_role: TeamRole",
                  l.created_by_name as invited_by, l.expires_at, k as "key!"
           from one_time_links l left join teams t on t.id = l.team_id
           cross join lateral (select case $1 when 'email' then l.email else to_char(l.expires_at at time zone 'utc', 'YYYYMMDDHH24MISSUS') end as k) s
           where l.purpose = 'invitation' and l.used_at is null and l.expires_at > now()
             and ($2::text is null or l.email ilike $2 or t.name ilike $2)
             and ($3::text is null or case when $5 then (k, l.id) < ($3, $4) else (k, l.id) > ($3, $4) end)
           order by case when $5 then k end desc, case when not $5 then k end asc, case when $5 then l.id end desc, case when not $5 then l.id end asc
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
    Ok(rows.into_iter().map(|row| Listed { key: row.key.clone(), invitation: row.into() }).collect())
}

/// The newest invitation of an address that was not used yet.
pub(super) async fn open_of(conn: &mut PgConnection, email: &str) -> Result<Option<OpenInvitation>> {
    let row = sqlx::query_as!(
        Invited,
        r#"select '' as "key!", l.id as "id: LinkId", coalesce(l.email, '') as "email!", l.platform_role as "platform_role: PlatformRole", t.id as "team?: TeamId", t.name as "team_name?", l.team_role as "team_role: TeamRole",
                  l.created_by_name as invited_by, l.expires_at
           from one_time_links l left join teams t on t.id = l.team_id
           where l.purpose = 'invitation' and l.used_at is null and l.expires_at > now() and l.email = $1
           order by l.id desc limit 1"#,
        email
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(OpenInvitation::from))
}

/// Withdraws an open invitation and gives its address.
pub(super) async fn revoke(conn: &mut PgConnection, id: LinkId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        r#"delete from one_time_links where id = $1 and purpose = 'invitation' and used_at is null and expires_at > now() returning coalesce(email, '') as "email!""#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// The open invitations that are withdrawn, each with its address.
pub(super) async fn withdraw_of(conn: &mut PgConnection, email: &str) -> Result<Vec<(LinkId, String)>> {
    let rows = sqlx::query!(r#"delete from one_time_links where purpose = 'invitation' and used_at is null and email = $1 returning id as "id: LinkId", email as "email!""#, email)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}

/// The same, of all that somebody made.
pub(super) async fn withdraw_made_by(conn: &mut PgConnection, user: UserId) -> Result<Vec<(LinkId, String)>> {
    let rows =
        sqlx::query!(r#"delete from one_time_links where purpose = 'invitation' and used_at is null and created_by = $1 returning id as "id: LinkId", email as "email!""#, user.0)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
}

pub(super) async fn withdraw_resets(conn: &mut PgConnection, user: UserId) -> Result<()> {
    sqlx::query!("delete from one_time_links where purpose = 'password_reset' and used_at is null and user_id = $1", user.0).execute(conn).await?;
    Ok(())
}

pub(super) async fn withdraw_first_admin(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("delete from one_time_links where purpose = 'first_admin' and used_at is null").execute(conn).await?;
    Ok(())
}

pub(super) async fn sweep(conn: &mut PgConnection) -> Result<u64> {
    Ok(sqlx::query!("delete from one_time_links where used_at is not null or expires_at < now()").execute(conn).await?.rows_affected())
}

pub(super) async fn lock_user(conn: &mut PgConnection, email: &str) -> Result<()> {
    sqlx::query!("select id from users where email = $1 for no key update", email).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn insert_user(conn: &mut PgConnection, id: UserId, email: &str, name: &str, password_hash: &str, role: Option<PlatformRole>) -> sqlx::Result<()> {
    sqlx::query!("insert into users (id, email, name, password_hash, platform_role) values ($1, $2, $3, $4, $5)", id.0, email, name, password_hash, role as Option<PlatformRole>)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn insert_member(conn: &mut PgConnection, team: TeamId, user: UserId, role: TeamRole) -> Result<()> {
    sqlx::query!("insert into members (team_id, user_id, role) values ($1, $2, $3)", team.0, user.0, role as TeamRole).execute(conn).await?;
    Ok(())
}

pub(super) async fn set_password(conn: &mut PgConnection, user: UserId, hash: &str) -> Result<Option<Actor>> {
    let row =
        sqlx::query!(r#"update users set password_hash = $2 where id = $1 and disabled_at is null returning name, platform_role as "platform_role: PlatformRole""#, user.0, hash)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|row| Actor::user(user, row.name, row.platform_role)))
}
