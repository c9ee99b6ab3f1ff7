//! Signed-in browsers: opaque secrets, of which only hashes are kept.

use domain::{access::PlatformRole, ids::UserId};
use sqlx::PgConnection;

use crate::{Actor, Control, Result, secrets};

/// Whose session the cookie's secret is, at this moment. Moves its last use at most once a minute.
///
/// # Errors
/// A fault when the database fails.
pub async fn authenticate(control: &Control, secret: &str) -> Result<Option<Actor>> {
    let hash = secrets::hash(secret);
    let row = sqlx::query!(
        r#"select u.id as "id: UserId", u.name, u.platform_role as "platform_role: PlatformRole", s.last_seen_at < now() - interval '1 minute' as "stale!"
           from sessions s join users u on u.id = s.user_id
           where s.secret_hash = $1 and s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => $2) and u.disabled_at is null"#,
        &hash[..],
        control.settings.session_idle.as_secs_f64()
    )
    .fetch_optional(&control.pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.stale {
        sqlx::query!("update sessions set last_seen_at = now() where secret_hash = $1", &hash[..]).execute(&control.pool).await?;
    }
    Ok(Some(Actor::user(row.id, row.name, row.platform_role)))
}

/// Opens a session and gives its secret, which goes into the cookie and nowhere else.
///
/// # Errors
/// A fault when the database fails.
pub async fn open(conn: &mut PgConnection, control: &Control, user: UserId, user_agent: &str) -> Result<String> {
    let secret = secrets::generate();
    let agent: String = user_agent.chars().filter(|c| !domain::names::is_deceptive(*c)).take(200).collect();
    sqlx::query!(
        "insert into sessions (secret_hash, user_id, expires_at, user_agent) values ($1, $2, now() + make_interval(secs => $3), $4)",
        &secrets::hash(&secret)[..],
        user.0,
        control.settings.session_lifetime.as_secs_f64(),
        agent
    )
    .execute(conn)
    .await?;
    Ok(secret)
}

/// Ends the session of this secret.
///
/// # Errors
/// A fault when the database fails.
pub async fn close(control: &Control, secret: &str) -> Result<()> {
    sqlx::query!("delete from sessions where secret_hash = $1", &secrets::hash(secret)[..]).execute(&control.pool).await?;
    Ok(())
}
