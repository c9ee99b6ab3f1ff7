//! The SQL of users.

use std::collections::HashMap;

use domain::{
    Rejected, Timestamp,
    access::{PlatformRole, TeamRole},
    ids::{TeamId, UserId},
    user::{User, UserQuery, UserState, UserTeam},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Known;
use crate::{Actor, Result, paging::Paging};

/// A row of the list, with its sort key.
pub(super) struct Listed {
    pub key: String,
    pub user: User,
}

pub(super) async fn by_email(conn: &mut PgConnection, email: &str) -> Result<Option<Known>> {
    Ok(sqlx::query_as!(Known, r#"select id as "id: UserId", email, disabled_at is not null as "disabled!" from users where email = $1"#, email).fetch_optional(conn).await?)
}

pub(super) async fn find(conn: &mut PgConnection, id: UserId) -> Result<User> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", email, name, platform_role as "platform_role: PlatformRole", disabled_at is not null as "disabled!", last_seen_at, created_at, version
           from users where id = $1"#,
        id.0
    )
    .fetch_optional(&mut *conn)
    .await?
    .ok_or_else(|| Rejected::not_found("user"))?;
    let teams = memberships(conn, &[id.0]).await?.remove(&id).unwrap_or_default();
    Ok(User {
        id: row.id,
        email: row.email,
        name: row.name,
        platform_role: row.platform_role,
        disabled: row.disabled,
        teams,
        last_seen_at: row.last_seen_at.map(Timestamp),
        created_at: Timestamp(row.created_at),
        version: row.version,
    })
}

pub(super) async fn list(conn: &mut PgConnection, query: &UserQuery, paging: &Paging) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"select u.id as "id: UserId", u.email, u.name, u.platform_role as "platform_role: PlatformRole", u.disabled_at is not null as "disabled!",
                  u.last_seen_at, u.created_at, u.version, k as "key!"
           from users u
           cross join lateral (select case $1
               when 'email' then u.email
               when 'created_at' then to_char(u.created_at at time zone 'utc', 'YYYYMMDDHH24MISSUS')
               when 'last_seen_at' then coalesce(to_char(u.last_seen_at at time zone 'utc', 'YYYYMMDDHH24MISSUS'), '')
               else lower(u.name) end as k) s
           where ($2::text is null or u.name ilike $2 or u.email ilike $2)
             and ($3::platform_role is null or u.platform_role = $3)
             and ($4::bool is null or (u.disabled_at is not null) = $4)
             and ($5::text is null or case when $7 then (k, u.id) < ($5, $6) else (k, u.id) > ($5, $6) end)
           order by case when $7 then k end desc, case when not $7 then k end asc, case when $7 then u.id end desc, case when not $7 then u.id end asc
           limit $8"#,
        paging.sort,
        paging.search,
        query.platform_role as Option<PlatformRole>,
        query.state.map(|state| state == UserState::Disabled),
        paging.after_key,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
    let mut teams = memberships(conn, &ids).await?;
    Ok(rows
        .into_iter()
        .map(|row| Listed {
            key: row.key,
            user: User {
                teams: teams.remove(&row.id).unwrap_or_default(),
                id: row.id,
                email: row.email,
                name: row.name,
                platform_role: row.platform_role,
                disabled: row.disabled,
                last_seen_at: row.last_seen_at.map(Timestamp),
                created_at: Timestamp(row.created_at),
                version: row.version,
            },
        })
        .collect())
}

async fn memberships(conn: &mut PgConnection, users: &[Uuid]) -> Result<HashMap<UserId, Vec<UserTeam>>> {
    let rows = sqlx::query!(
        r#"select m.user_id as "user: UserId", t.id as "id: TeamId", t.name, m.role as "role: TeamRole",
                  m.role = 'owner' and not exists (
                      select from members o join users u on u.id = o.user_id
                      where o.team_id = m.team_id and o.role = 'owner' and o.user_id <> m.user_id and u.disabled_at is null) as "sole_owner!"
           from members m join teams t on t.id = m.team_id where m.user_id = any($1) order by t.name"#,
        users
    )
    .fetch_all(conn)
    .await?;
    let mut teams: HashMap<UserId, Vec<UserTeam>> = HashMap::new();
    for row in rows {
        teams.entry(row.user).or_default().push(UserTeam { id: row.id, name: row.name, role: row.role, sole_owner: row.sole_owner });
    }
    Ok(teams)
}

/// The teams an actor is in; of a team's token, its team.
pub(super) async fn teams(conn: &mut PgConnection, actor: &Actor) -> Result<Vec<UserTeam>> {
    let only = actor.visible().team;
    if let Some(user) = actor.user_id() {
        let mut teams = memberships(conn, &[user.0]).await?.remove(&user).unwrap_or_default();
        teams.retain(|team| only.is_none_or(|only| team.id.0 == only));
        return Ok(teams);
    }
    let Some(team) = only.map(TeamId) else { return Ok(Vec::new()) };
    let name = sqlx::query_scalar!("select name from teams where id = $1", team.0).fetch_one(conn).await?;
    Ok(actor.rights(team, None).team.map(|role| UserTeam { id: team, name, role, sole_owner: false }).into_iter().collect())
}

/// The platform role of a user who is not disabled. Whoever wants to change either waits until what the user makes is there to be taken back.
pub(super) async fn hold_active(conn: &mut PgConnection, id: UserId) -> Result<Option<Option<PlatformRole>>> {
    Ok(sqlx::query_scalar!(r#"select platform_role as "platform_role: PlatformRole" from users where id = $1 and disabled_at is null for share"#, id.0)
        .fetch_optional(conn)
        .await?)
}

/// Locks the user together with every active admin, in one order, and counts the active admins besides them.
pub(super) async fn lock_with_admins(conn: &mut PgConnection, id: UserId) -> Result<usize> {
    let rows = sqlx::query!(
        r#"select id as "id: UserId", platform_role is not distinct from 'admin' and disabled_at is null as "admin!" from users
           where id = $1 or (platform_role = 'admin' and disabled_at is null) order by id for no key update"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().filter(|row| row.id != id && row.admin).count())
}

pub(super) async fn update(conn: &mut PgConnection, id: UserId, name: &str, role: Option<PlatformRole>, disabled: bool) -> Result<()> {
    sqlx::query!(
        "update users set name = $2, platform_role = $3, disabled_at = case when $4 then coalesce(disabled_at, now()) end, version = version + 1 where id = $1",
        id.0,
        name,
        role as Option<PlatformRole>,
        disabled
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn credentials(conn: &mut PgConnection, id: UserId) -> Result<(String, String)> {
    let row = sqlx::query!("select email, password_hash from users where id = $1", id.0).fetch_one(conn).await?;
    Ok((row.email, row.password_hash))
}

/// Sets the password, if the one before is still `before`.
pub(super) async fn set_password(conn: &mut PgConnection, id: UserId, hash: &str, before: &str) -> Result<bool> {
    let set = sqlx::query!("update users set password_hash = $2 where id = $1 and disabled_at is null and password_hash = $3", id.0, hash, before).execute(conn).await?;
    Ok(set.rows_affected() == 1)
}
