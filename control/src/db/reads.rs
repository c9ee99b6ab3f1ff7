//! Connections to read with.
//!
//! The pool of sqlx asks a connection whether it lives each time it comes back, over the network, from a task of its own:
//! a transaction may have been left open. What only reads needs none, so each connection goes straight to the next reader.
//! To write over one by mistake is refused.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult},
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, postgres::PgConnectOptions};

use super::PATIENCE;

/// How often a connection in use is asked whether it still lives: after a restart of the database one fails its readers for no longer.
const CHECKED: Duration = Duration::from_secs(1);

/// A connection is made anew when it is taken after so long, as balancers and failovers wish.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// After this long without use nothing on the way remembers the connection, and asking it would only take long.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// A question that takes longer has no answer.
const ANSWERED: Duration = Duration::from_secs(2);

/// Between two tries to connect to a database that is starting, or full for a moment.
const AGAIN: Duration = Duration::from_millis(100);

/// Refuses to write, and gives up on what takes too long, whether anybody still waits for it or not.
const READING: &str = "set default_transaction_read_only = on; set statement_timeout = '30s'";

/// The connections to read with.
#[derive(Clone)]
pub struct Reads(Pool<Opener>);

/// A connection that reads, until it is dropped.
pub struct Reading(Object<Opener>);

impl Reads {
    /// So many connections, to the pool's database, made when they are needed. The one that was used last is used first: it was asked last, too.
    pub(crate) fn new(pool: &PgPool, connections: u32) -> anyhow::Result<Self> {
        let builder = Pool::builder(Opener(pool.connect_options())).max_size(connections as usize).queue_mode(QueueMode::Lifo);
        Ok(Self(builder.runtime(Runtime::Tokio1).recycle_timeout(Some(ANSWERED)).build()?))
    }

    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// When the database does not answer, or all are taken for ten seconds.
    pub async fn get(&self) -> sqlx::Result<Reading> {
        match tokio::time::timeout(PATIENCE, self.0.get()).await {
            Ok(Ok(connection)) => Ok(Reading(connection)),
            Ok(Err(PoolError::Backend(error))) => Err(error),
            Ok(Err(PoolError::Closed)) => Err(sqlx::Error::PoolClosed),
            Ok(Err(PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_))) | Err(_) => Err(sqlx::Error::PoolTimedOut),
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
        // Boxed, as what is rare and large should not lie in every future that reads.
        Box::pin(open(&self.0)).await
    }

    async fn recycle(&self, opened: &mut Opened, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > LIFETIME || metrics.last_used() > FORGOTTEN {
            return Err(RecycleError::message("it is old"));
        }
        // What a reader left in the middle is waited for here, and its error ends here, too. Where nothing was left this asks nobody.
        opened.connection.flush().await?;
        if opened.connection.is_in_transaction() {
            return Err(RecycleError::message("a transaction was left open"));
        }
        if opened.lived.elapsed() > CHECKED {
            Box::pin(opened.connection.ping()).await?;
            opened.lived = Instant::now();
        }
        Ok(())
    }
}

async fn open(options: &PgConnectOptions) -> sqlx::Result<Opened> {
    let mut connection = loop {
        match options.connect().await {
            Err(error) if is_passing(&error) => tokio::time::sleep(AGAIN).await,
            connected => break connected?,
        }
    };
    connection.execute(READING).await?;
    Ok(Opened { connection, lived: Instant::now() })
}

/// Whether the database will let somebody in within moments: it is starting, or all its places are taken.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
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
        let reads = Reads::new(&pool, 1).unwrap();
        let refused = sqlx::query("delete from users").execute(&mut *reads.get().await.unwrap()).await.unwrap_err();
        assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("25006"), "{refused}");
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn one_that_died_is_replaced(pool: PgPool) {
        let reads = Reads::new(&pool, 1).unwrap();
        let ask = async || -> sqlx::Result<i32> { sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *reads.get().await?).await };
        let first = ask().await.unwrap();
        assert_eq!(ask().await.unwrap(), first, "it is used again");
        sqlx::query("select pg_terminate_backend($1)").bind(first).execute(&pool).await.unwrap();
        tokio::time::sleep(CHECKED + Duration::from_millis(100)).await;
        assert_ne!(ask().await.unwrap(), first);
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn what_was_left_in_the_middle_disturbs_nobody(pool: PgPool) {
        let reads = Reads::new(&pool, 2).unwrap();
        for left in ["select pg_sleep(30)", "select 1 / length(pg_sleep(0.2)::text)"] {
            let mut reading = reads.get().await.unwrap();
            assert!(tokio::time::timeout(Duration::from_millis(50), sqlx::query(left).execute(&mut *reading)).await.is_err());
            drop(reading);
            let asked = Instant::now();
            let two: i32 = sqlx::query_scalar("select 2").fetch_one(&mut *reads.get().await.unwrap()).await.unwrap();
            assert_eq!(two, 2);
            assert!(asked.elapsed() < ANSWERED * 2, "{left}");
        }
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn an_open_transaction_goes_to_nobody(pool: PgPool) {
        let reads = Reads::new(&pool, 1).unwrap();
        let mut reading = reads.get().await.unwrap();
        let left = reading.begin().await.unwrap();
        std::mem::forget(left);
        drop(reading);
        assert!(!reads.get().await.unwrap().is_in_transaction());
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn a_database_that_is_starting_is_waited_for(pool: PgPool) {
        let there = pool.connect_options();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let starting = PgPool::connect_lazy_with((*there).clone().host("127.0.0.1").port(port));
        let reads = Reads::new(&starting, 1).unwrap();
        let began = async {
            tokio::time::sleep(AGAIN * 3).await;
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            let (mut asked, _) = listener.accept().await.unwrap();
            let mut database = tokio::net::TcpStream::connect((there.get_host(), there.get_port())).await.unwrap();
            // Ends with the test.
            let _ = tokio::io::copy_bidirectional(&mut asked, &mut database).await;
        };
        tokio::select! {
            reading = reads.get() => assert!(reading.is_ok()),
            () = began => panic!("the connection ended"),
        }
    }

    #[sqlx::test(migrations = "../migrations")]
    async fn what_takes_too_long_is_said_to(pool: PgPool) {
        let reads = Reads::new(&pool, 1).unwrap();
        let mut reading = reads.get().await.unwrap();
        reading.execute("set statement_timeout = '50ms'").await.unwrap();
        let slow = sqlx::query("select pg_sleep(5)").execute(&mut *reading).await.unwrap_err();
        assert!(crate::Error::from(slow).is(domain::Code::Timeout));
    }
}
