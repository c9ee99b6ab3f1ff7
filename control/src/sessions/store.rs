//! The SQL of sessions.

use domain::{
    Timestamp,
    access::PlatformRole,
    ids::{SessionId, UserId},
    user::Session,
};
use sqlx::PgConnection;

use super::Used;
use crate::{Actor, Control, Ctx, Result};

/// Somebody with this address, disabled or not: the same work is done for both.
pub(super) struct Known {
    pub id: UserId,
    pub password_hash: String,
}

pub(super) async fn known(conn: &mut PgConnection, email: &str) -> Result<Option<Known>> {
    Ok(sqlx::query_as!(Known, r#"select id as "id: UserId", password_hash from users where email = $1"#, email).fetch_optional(conn).await?)
}

/// The user, if they may sign in and the password that was verified is still theirs. Holds off whoever wants to disable them until the session is there to be ended.
pub(super) async fn lock_active(conn: &mut PgConnection, id: UserId, password_hash: &str) -> Result<Option<Actor>> {
    let row = sqlx::query!(
        r#"select name, platform_role as "platform_role: PlatformRole" from users where id = $1 and password_hash = $2 and disabled_at is null for share"#,
        id.0,
        password_hash
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Actor::user(id, row.name, row.platform_role)))
}

pub(super) async fn authenticate(control: &Control, hash: &[u8; 32], used: Used) -> Result<Option<Actor>> {
    let row = sqlx::query!(
        r#"select u.id as "id: UserId", u.name, u.platform_role as "platform_role: PlatformRole", s.last_seen_at < now() - interval '1 minute' as "stale!"
           from sessions s join users u on u.id = s.user_id
           where s.secret_hash = $1 and s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => $2) and u.disabled_at is null"#,
        &hash[..],
        control.settings.session_idle.as_secs_f64()
    )
    .fetch_optional(&mut *control.reads.get().await?)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.stale && used == Used::Now {
        sqlx::query!(
            "with session as (update sessions set last_seen_at = now() where secret_hash = $1 returning user_id)
             update users set last_seen_at = now() from session where id = user_id",
            &hash[..]
        )
        .execute(&control.pool)
        .await?;
    }
    Ok(Some(Actor::user(row.id, row.name, row.platform_role)))
}

pub(super) async fn insert(conn: &mut PgConnection, ctx: &Ctx, hash: &[u8; 32], user: UserId, agent: &str) -> Result<()> {
    sqlx::query!(
        "with session as (insert into sessions (secret_hash, user_id, expires_at, user_agent, address) values ($1, $2, now() + make_interval(secs => $3), $4, $5))
         update users set last_seen_at = now() where id = $2",
        &hash[..],
        user.0,
        ctx.control().settings.session_lifetime.as_secs_f64(),
        agent,
        ctx.request().address
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn list(conn: &mut PgConnection, control: &Control, user: UserId, current: Option<[u8; 32]>) -> Result<Vec<Session>> {
    let rows = sqlx::query!(
        r#"select id as "id: SessionId", user_agent, address, created_at, last_seen_at, coalesce(secret_hash = $2, false) as "current!" from sessions
           where user_id = $1 and expires_at > now() and last_seen_at > now() - make_interval(secs => $3)
           order by created_at desc, id limit 100"#,
        user.0,
        current.as_ref().map(|hash| &hash[..]),
        control.settings.session_idle.as_secs_f64()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Session {
            id: row.id,
            user_agent: row.user_agent,
            address: row.address,
            created_at: Timestamp(row.created_at),
            last_seen_at: Timestamp(row.last_seen_at),
            current: row.current,
        })
        .collect())
}

pub(super) async fn revoke(conn: &mut PgConnection, user: UserId, id: SessionId) -> Result<bool> {
    Ok(sqlx::query!("delete from sessions where id = $1 and user_id = $2", id.0, user.0).execute(conn).await?.rows_affected() == 1)
}

pub(super) async fn delete(conn: &mut PgConnection, hash: &[u8; 32]) -> Result<bool> {
    Ok(sqlx::query!("delete from sessions where secret_hash = $1", &hash[..]).execute(conn).await?.rows_affected() == 1)
}

pub(super) async fn delete_all(conn: &mut PgConnection, user: UserId, keep: Option<[u8; 32]>) -> Result<u64> {
    let deleted =
        sqlx::query!("delete from sessions where user_id = $1 and ($2::bytea is null or secret_hash <> $2)", user.0, keep.as_ref().map(|hash| &hash[..])).execute(conn).await?;
    Ok(deleted.rows_affected())
}

pub(super) async fn sweep(control: &Control) -> Result<u64> {
    let idle = control.settings.session_idle.as_secs_f64();
    let swept = sqlx::query!("delete from sessions where expires_at < now() or last_seen_at < now() - make_interval(secs => $1)", idle).execute(&control.pool).await?;
    Ok(swept.rows_affected())
}
