//! API tokens.

use domain::{
    access::{Limit, PlatformRole, TeamRole},
    ids::{TeamId, TokenId, UserId},
};

use crate::{Actor, Control, Result, secrets};

/// Every token starts with it, so that secret scanners know one when they see it.
pub const PREFIX: &str = "slipway_";

/// Whose token it is, at this moment. Moves its last use at most once a minute.
///
/// # Errors
/// A fault when the database fails.
pub async fn authenticate(control: &Control, secret: &str) -> Result<Option<Actor>> {
    let hash = secrets::hash(secret);
    let row = sqlx::query!(
        r#"select t.id as "id: TokenId", t.name, t.user_id as "user_id: UserId", t.team_id as "team_id: TeamId", t.role as "role: TeamRole",
                  u.platform_role as "platform_role: PlatformRole", t.last_used_at is null or t.last_used_at < now() - interval '1 minute' as "stale!"
           from tokens t left join users u on u.id = t.user_id
           where t.secret_hash = $1 and t.revoked_at is null and t.expires_at > now() and (u.id is null or u.disabled_at is null)"#,
        &hash[..]
    )
    .fetch_optional(&control.pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.stale {
        sqlx::query!("update tokens set last_used_at = now() where id = $1", row.id.0).execute(&control.pool).await?;
    }
    let limit = row.team_id.zip(row.role).map(|(team, role)| Limit { team, role });
    Ok(match (row.user_id, limit) {
        (Some(user), limit) => Some(Actor::personal_token(row.id, user, row.name, row.platform_role, limit)),
        (None, Some(limit)) => Some(Actor::team_token(row.id, row.name, limit)),
        (None, None) => None,
    })
}
