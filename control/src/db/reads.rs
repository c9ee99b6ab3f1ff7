//! Connections to read with.
//!
//! The pool of sqlx asks a connection whether it lives each time it comes back, over the network, from a task of its own:
//! it cannot know whether a transaction was left open. Here none ever is: these connections refuse to write, so each
//! goes straight to the next reader.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult},
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, postgres::PgConnectOptions};

use super::PATIENCE;

/// How often a connection in use is asked whether it still lives. After a restart of the database it fails its readers for so long.
const CHECKED: Duration = Duration::from_secs(1);

/// Connections are made anew after so long, as balancers and failovers wish.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// After this long without use nothing on the way remembers the connection, and asking it would only take long.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// A question that takes longer has no answer.
const ANSWERED: Duration = Duration::from_secs(2);

/// Refuses to write, and gives up on what nobody waits for any more: whoever asked is told so after 30 seconds.
const READING: &str = "set default_transaction_read_only = on; set statement_timeout = '30s'";

/// The connections to read with.
#[derive(Clone)]
pub struct Reads(Pool<Opener>);

/// A connection that reads, until it is dropped.
pub struct Reading(Object<Opener>);

impl Reads {
    /// As many connections as the pool may have, made when they are needed.
    pub(crate) fn beside(pool: &PgPool) -> anyhow::Result<Self> {
        let connections = pool.options().get_max_connections() as usize;
        let builder = Pool::builder(Opener(pool.connect_options())).max_size(connections).runtime(Runtime::Tokio1);
        Ok(Self(builder.wait_timeout(Some(PATIENCE)).create_timeout(Some(PATIENCE)).recycle_timeout(Some(ANSWERED)).build()?))
    }

    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// When the database does not answer, or all are taken for ten seconds.
    pub async fn get(&self) -> sqlx::Result<Reading> {
        match self.0.get().await {
            Ok(connection) => Ok(Reading(connection)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            Err(PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Gives up the connections: nobody reads after this.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Opens connections and says which may be used again.
struct Opener(Arc<PgConnectOptions>);

struct Opened {
    connection: PgConnection,
    /// When it last was known to live.
    lived: Instant,
}

impl Manager for Opener {
    type Type = Opened;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Opened> {
        let mut connection = self.0.connect().await?;
        connection.execute(READING).await?;
        Ok(Opened { connection, lived: Instant::now() })
    }

    async fn recycle(&self, opened: &mut Opened, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > LIFETIME || metrics.last_used() > FORGOTTEN {
            return Err(RecycleError::message("it is old"));
        }
        if opened.lived.elapsed() > CHECKED {
            opened.connection.ping().await?;
            opened.lived = Instant::now();
        }
        Ok(())
    }
}

impl Deref for Reading {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[sqlx::test(migrations = "../migrations")]
    async fn nothing_is_written(pool: PgPool) {
        let reads = Reads::beside(&pool).unwrap();
        let refused = sqlx::query("delete from users").execute(&mut *reads.get().await.unwrap()).await.unwrap_err();
        assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("25006"), "{refused}");
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn one_that_died_is_replaced(pool: PgPool) {
        let reads = Reads::beside(&pool).unwrap();
        let ask = async || -> sqlx::Result<i32> { sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *reads.get().await?).await };
        let first = ask().await.unwrap();
        assert_eq!(ask().await.unwrap(), first, "it is used again");
        sqlx::query("select pg_terminate_backend($1)").bind(first).execute(&pool).await.unwrap();
        tokio::time::sleep(CHECKED + Duration::from_millis(100)).await;
        assert_ne!(ask().await.unwrap(), first);
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn what_was_left_in_the_middle_disturbs_nobody(pool: PgPool) {
        let reads = Reads::beside(&pool).unwrap();
        let mut reading = reads.get().await.unwrap();
        let left = tokio::time::timeout(Duration::from_millis(50), sqlx::query("select pg_sleep(0.5)").execute(&mut *reading)).await;
        assert!(left.is_err());
        drop(reading);
        let two: i32 = sqlx::query_scalar("select 2").fetch_one(&mut *reads.get().await.unwrap()).await.unwrap();
        assert_eq!(two, 2);
    }
}
