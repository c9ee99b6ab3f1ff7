//! What to look at, when, and who looks now.
//!
//! An operation marks a thing inside its own transaction. A worker claims what is due, releases the connection, takes one
//! idempotent step and settles the claim. Scopes (a cluster, an account) carry caps, backoff and a circuit breaker inside
//! the claim query, so that a dead cluster slows only itself. All time is the database's.
//!
//! Nobody waits for somebody who waits for them, since everybody locks in one order: the row of a cluster, of workspaces, of
//! deployments, and last what is due of them, the cluster's own first; several of a kind by their ids.

mod halt;

use std::time::Duration;

use domain::operation::ObjectKind;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{Result, live};
pub use halt::{Halt, PATIENCE, begin, unlost};

/// How many things of one scope are looked at at once.
const SCOPE_CAP: i64 = 8;
/// How many more when nobody has looked at what is wanted of them yet: a new wish does not wait for those that are slow to come about.
const SCOPE_CAP_NEW: i64 = 4;
/// After so many failures in a row a scope is left alone for a while.
const BREAKER_FAILURES: i32 = 5;

/// How patient workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long a claim lasts; a step makes a handful of bounded calls and ends before this. When its worker died, this is how long nobody else looks.
    pub lease: Duration,
    /// How long a scope is left alone after failures in a row.
    pub breaker: Duration,
    /// The longest wait between two tries.
    pub backoff: Duration,
    /// How long a worker that died keeps others from watching its clusters.
    pub watch: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), breaker: Duration::from_secs(15), backoff: Duration::from_secs(300), watch: Duration::from_secs(20) }
    }
}

/// What may be slow or dead on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    None,
    Cluster(Uuid),
    Account(Uuid),
}

impl Scope {
    fn key(self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Cluster(id) => format!("cluster:{id}"),
            Self::Account(id) => format!("account:{id}"),
        }
    }
}

/// A thing that this worker looks at now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub object_id: Uuid,
    pub kind: ObjectKind,
    pub generation: i64,
    pub epoch: i64,
    pub attempts: i32,
    scope: String,
}

/// What a look came to.
#[derive(Debug)]
pub enum Next {
    /// The claimed generation is brought about; look again later, to notice what others change.
    Settled { again: Duration },
    /// One step was taken; take the next after this long.
    Again(Duration),
    /// As [`Settled`](Self::Settled), without having heard from the outside: nothing new is known of the scope.
    Left { again: Duration },
    /// As [`Again`](Self::Again), without having heard from the outside.
    Waits(Duration),
    /// The thing is gone: forget it.
    Gone,
    /// The outside failed: back off. `scope_is_down` counts towards the breaker.
    Failed { error: String, scope_is_down: bool },
}

impl Next {
    /// The same, of a look that heard nothing from the outside.
    #[must_use]
    pub fn unheard(self) -> Self {
        match self {
            Self::Settled { again } => Self::Left { again },
            Self::Again(after) => Self::Waits(after),
            other => other,
        }
    }
}

/// Marks a thing as due now, in the operation's transaction.
///
/// # Errors
/// A fault when the database fails.
pub async fn mark(conn: &mut PgConnection, object: Uuid, kind: ObjectKind, scope: Scope, generation: i64) -> Result<()> {
    sqlx::query!(
        "insert into reconcile (object_id, kind, scope, generation) values ($1, $2, $3, $4)
         on conflict (object_id) do update
         set generation = greatest(reconcile.generation, excluded.generation), scope = excluded.scope, not_before = now(), attempts = 0, marked_at = clock_timestamp()",
        object,
        kind as ObjectKind,
        scope.key(),
        generation
    )
    .execute(&mut *conn)
    .await?;
    live::wake(conn).await
}

/// Makes a thing due now because something was seen of it. While it is being looked at, it becomes due again right after: the look may have been too early.
///
/// # Errors
/// A fault when the database fails.
pub async fn poke(conn: &mut PgConnection, object: Uuid) -> Result<()> {
    let poked = sqlx::query!(
        "update reconcile set not_before = least(not_before, now()), marked_at = clock_timestamp() where object_id = $1 and (not_before > now() or lease_until > now())",
        object
    )
    .execute(&mut *conn)
    .await?;
    if poked.rows_affected() > 0 {
        live::wake(conn).await?;
    }
    Ok(())
}

/// Makes due now what waits for a scope: what held it up is over. Failures in a row are forgotten. Workspaces are looked at in any case: nothing but a look
/// takes back what the last one complained of.
///
/// # Errors
/// A fault when the database fails.
pub async fn poke_scope(conn: &mut PgConnection, scope: Scope) -> Result<()> {
    sqlx::query!("delete from scopes where scope = $1", scope.key()).execute(&mut *conn).await?;
    sqlx::query!(
        "update reconcile set not_before = least(not_before, now()), attempts = 0, marked_at = clock_timestamp()
         where object_id in (select object_id from reconcile where scope = $1 and (attempts > 0 or kind = 'workspace') order by kind <> 'cluster', object_id for update)",
        scope.key()
    )
    .execute(&mut *conn)
    .await?;
    live::wake(conn).await
}

/// Makes everything of a scope due now, whatever it waits for.
///
/// # Errors
/// A fault when the database fails.
pub async fn rouse(conn: &mut PgConnection, scope: Scope) -> Result<()> {
    sqlx::query!(
        "update reconcile set not_before = least(not_before, now()), marked_at = clock_timestamp()
         where object_id in (select object_id from reconcile where scope = $1 order by kind <> 'cluster', object_id for update)",
        scope.key()
    )
    .execute(&mut *conn)
    .await?;
    live::wake(conn).await
}

/// Claims up to `limit` due things for `owner`; what nobody has looked at yet comes first.
///
/// # Errors
/// A fault when the database fails.
pub async fn claim(pool: &PgPool, owner: &str, limit: i64, times: Times) -> Result<Vec<Claim>> {
    Ok(sqlx::query_as!(
        Claim,
        r#"with busy as (
               select scope, count(*) as n from reconcile where lease_until > now() group by scope
           ), due as (
               select r.object_id, r.not_before, r.generation > r.looked_generation as new,
                      row_number() over (partition by r.scope order by r.generation > r.looked_generation desc, r.not_before) + coalesce(b.n, 0) as place
               from reconcile r
               left join busy b on b.scope = r.scope
               left join scopes s on s.scope = r.scope
               where r.not_before <= now() and (r.lease_until is null or r.lease_until <= now())
                 and (s.open_until is null or s.open_until <= now())
           ), chosen as (
               select r.object_id from reconcile r join due d on d.object_id = r.object_id
               where d.place <= $3::bigint + case when d.new then $5::bigint else 0 end or r.scope = 'none'
               order by d.new desc, d.not_before
               limit $2
               for update of r skip locked
           )
           update reconcile r
           set lease_owner = $1, lease_epoch = r.lease_epoch + 1, looked_generation = r.generation, claimed_at = clock_timestamp(), lease_until = now() + make_interval(secs => $4)
           from chosen c
           where r.object_id = c.object_id and r.not_before <= now() and (r.lease_until is null or r.lease_until <= now())
           returning r.object_id, r.kind as "kind: ObjectKind", r.generation, r.lease_epoch as epoch, r.attempts, r.scope"#,
        owner,
        limit,
        SCOPE_CAP,
        times.lease.as_secs_f64(),
        SCOPE_CAP_NEW
    )
    .fetch_all(pool)
    .await?)
}

/// Whether the claim is still ours: every write of a step is made in a transaction that asks first, which also locks the row until it commits.
///
/// The thing's own row is locked before the claim's, in the order in which operations do it: they change the thing and mark it last.
/// The other way round the two would wait for each other.
///
/// # Errors
/// A fault when the database fails.
pub async fn holds(conn: &mut PgConnection, claim: &Claim) -> Result<bool> {
    let _its_own_row = match claim.kind {
        ObjectKind::Cluster => sqlx::query_scalar!("select id from clusters where id = $1 for no key update", claim.object_id).fetch_optional(&mut *conn).await?,
        ObjectKind::Workspace => sqlx::query_scalar!("select id from workspaces where id = $1 for no key update", claim.object_id).fetch_optional(&mut *conn).await?,
        ObjectKind::Deployment => sqlx::query_scalar!("select id from deployments where id = $1 for no key update", claim.object_id).fetch_optional(&mut *conn).await?,
        _ => None,
    };
    let held = sqlx::query!("select object_id from reconcile where object_id = $1 and lease_epoch = $2 and lease_until > now() for update", claim.object_id, claim.epoch)
        .fetch_optional(conn)
        .await?;
    Ok(held.is_some())
}

/// Gives the claim back. A mark that came meanwhile wins: the thing stays due.
///
/// # Errors
/// A fault when the database fails.
pub async fn settle(pool: &PgPool, claim: &Claim, next: &Next, times: Times) -> Result<()> {
    let mut tx = pool.begin().await?;
    let (object, epoch) = (claim.object_id, claim.epoch);
    let settled = match next {
        Next::Gone => sqlx::query!("delete from reconcile where object_id = $1 and lease_epoch = $2", object, epoch).execute(&mut *tx).await?,
        Next::Settled { again } | Next::Left { again } => {
            sqlx::query!(
                "update reconcile
                 set observed_generation = $3, attempts = 0, last_error = null, lease_owner = null, lease_until = null,
                     not_before = case when generation > $3 or marked_at > claimed_at then now() else now() + make_interval(secs => $4 * (0.9 + random() * 0.2)) end
                 where object_id = $1 and lease_epoch = $2",
                object,
                epoch,
                claim.generation,
                again.as_secs_f64()
            )
            .execute(&mut *tx)
            .await?
        }
        Next::Again(after) | Next::Waits(after) => {
            sqlx::query!(
                "update reconcile
                 set attempts = 0, last_error = null, lease_owner = null, lease_until = null,
                     not_before = case when generation > $3 or marked_at > claimed_at then now() else now() + make_interval(secs => $4) end
                 where object_id = $1 and lease_epoch = $2",
                object,
                epoch,
                claim.generation,
                after.as_secs_f64()
            )
            .execute(&mut *tx)
            .await?
        }
        Next::Failed { error, .. } => {
            sqlx::query!(
                "update reconcile
                 set attempts = attempts + 1, last_error = $3, lease_owner = null, lease_until = null,
                     not_before = now() + make_interval(secs => case when marked_at > claimed_at then 1 else least($4, power(2, least(attempts, 10))) * (0.5 + random() * 0.5) end)
                 where object_id = $1 and lease_epoch = $2",
                object,
                epoch,
                error,
                times.backoff.as_secs_f64()
            )
            .execute(&mut *tx)
            .await?
        }
    };
    // Of a claim that was lost nothing is known any more, nor of its scope.
    if claim.scope != "none" && settled.rows_affected() > 0 {
        match next {
            Next::Failed { error, scope_is_down: true } => {
                sqlx::query!(
                    "insert into scopes (scope, failures, last_error) values ($1, 1, $2)
                     on conflict (scope) do update
                     set failures = scopes.failures + 1, last_error = $2,
                         open_until = case when scopes.failures + 1 >= $3 then now() + make_interval(secs => $4) end",
                    claim.scope,
                    error,
                    BREAKER_FAILURES,
                    times.breaker.as_secs_f64()
                )
                .execute(&mut *tx)
                .await?;
            }
            // The scope was not heard.
            Next::Failed { scope_is_down: false, .. } | Next::Left { .. } | Next::Waits(_) => {}
            Next::Settled { .. } | Next::Again(_) | Next::Gone => {
                sqlx::query!("delete from scopes where scope = $1", claim.scope).execute(&mut *tx).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
