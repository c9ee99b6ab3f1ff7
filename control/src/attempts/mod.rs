//! Rates, counted in the database so that they hold across replicas.
//!
//! An attempt is counted before it is judged and in a statement of its own: what fails afterwards still counts, and many
//! attempts at once cannot slip past the limit together.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use domain::{Code, Rejected};
use sqlx::PgPool;

use crate::Result;

/// Attempts are counted in windows of so many seconds.
const WINDOW: i64 = 15 * 60;

/// How often something may be tried within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    key: String,
    most: i32,
}

impl Limit {
    /// Sign-ins from one network address.
    #[must_use]
    pub fn sign_in_from(address: Option<&str>) -> Self {
        Self { key: format!("sign-in:address:{}", network(address)), most: 100 }
    }

    /// Sign-ins with one e-mail address from one network address: somebody who guesses is stopped here, and the person whose address it is can still sign in from elsewhere.
    #[must_use]
    pub fn sign_in_as_from(email: &str, address: Option<&str>) -> Self {
        Self { key: format!("sign-in:email-address:{email}:{}", network(address)), most: 10 }
    }

    /// Sign-ins with one e-mail address from anywhere (NIST SP 800-63B allows at most 100 in a row).
    #[must_use]
    pub fn sign_in_as(email: &str) -> Self {
        Self { key: format!("sign-in:email:{email}"), most: 50 }
    }

    /// Guesses of one's own password by somebody who is signed in.
    #[must_use]
    pub fn password_of(user: domain::ids::UserId) -> Self {
        Self { key: format!("password:{user}"), most: 10 }
    }
}

/// Whoever has one IPv6 address has the whole /64 it is in.
fn network(address: Option<&str>) -> String {
    match address.map(|address| (address, address.parse())) {
        None => "unknown".into(),
        Some((_, Ok(IpAddr::V6(v6)))) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Some((address, _)) => address.into(),
    }
}

/// Counts an attempt against each limit in turn, up to the first that is exceeded: what is refused for where it came from does not use up what others may still do.
///
/// # Errors
/// `rate_limited` when one of them is exceeded, with how long to wait.
pub async fn count(pool: &PgPool, limits: &[Limit]) -> Result<()> {
    for limit in limits {
        let row = sqlx::query!(
            r#"insert into attempts as a (key, window_start) values ($1, to_timestamp(floor(extract(epoch from now()) / $2::bigint) * $2::bigint))
               on conflict (key, window_start) do update set count = least(a.count, 1000000) + 1
               returning count, ceil(extract(epoch from window_start + make_interval(secs => $2::bigint) - now()))::bigint as "seconds!""#,
            limit.key,
            WINDOW
        )
        .fetch_one(pool)
        .await?;
        if row.count > limit.most {
            let minutes = (row.seconds / 60 + 1).max(1);
            let unit = if minutes == 1 { "minute" } else { "minutes" };
            let rejected = Rejected::new(Code::RateLimited, format!("That was tried too often. Wait {minutes} {unit}, then try again."));
            return Err(Rejected { retry_after: u32::try_from(row.seconds.max(1)).ok(), ..rejected }.into());
        }
    }
    Ok(())
}

/// Takes an attempt back that turned out to be rightful, so that whoever succeeds is never locked out by their own successes.
///
/// # Errors
/// A fault when the database fails.
pub async fn forgive(pool: &PgPool, limits: &[Limit]) -> Result<()> {
    let keys: Vec<String> = limits.iter().map(|limit| limit.key.clone()).collect();
    sqlx::query!("update attempts set count = count - 1 where key = any($1) and count > 0 and window_start > now() - make_interval(secs => $2::bigint)", &keys, WINDOW)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets windows that are over.
///
/// # Errors
/// A fault when the database fails.
pub async fn sweep(pool: &PgPool) -> Result<u64> {
    let swept = sqlx::query!("delete from attempts where window_start < now() - make_interval(secs => $1::bigint * 2)", WINDOW).execute(pool).await?;
    Ok(swept.rows_affected())
}
