//! The database: the only state that replicas share.

mod reads;

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sqlx::{
    Connection as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

pub use reads::{Reading, Reads};

/// Every migration, in the program.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// After this long without use a connection is asked whether it still lives, before it is used: a database that restarted
/// has closed it. Sooner, that question would cost more than most queries.
const QUIET: Duration = Duration::from_secs(5);

/// How long a database may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a pool.
///
/// # Errors
/// When the database does not answer within ten seconds or does not let Slipway in, with where it was looked for.
pub async fn connect(options: PgConnectOptions, connections: u32) -> anyhow::Result<PgPool> {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let opened = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(async move { if meta.idle_for < QUIET { Ok(true) } else { Ok(connection.ping().await.is_ok()) } }))
        .connect_with(options.application_name("slipway"))
        .await;
    opened.map_err(|error| match error {
        sqlx::Error::PoolTimedOut => anyhow!("no database answers at {place} within {} s. Check DATABASE_URL, and that Postgres runs there.", PATIENCE.as_secs()),
        sqlx::Error::Database(refused) => anyhow!("the database at {place} turns Slipway away: {}. Check user, password and name in DATABASE_URL.", refused.message()),
        other => anyhow!("the database at {place} cannot be reached: {other}. Check DATABASE_URL."),
    })
}

/// Brings the schema up to date. Several replicas may do so at once: a lock in the database puts them in line.
///
/// # Errors
/// When a migration fails, or the database is newer than this program.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    match MIGRATOR.run(pool).await {
        Err(MigrateError::VersionMissing(_)) => bail!(NEWER),
        migrated => migrated.context("the database could not be migrated"),
    }
}

const NEWER: &str = "the database is newer than this program. Run a newer Slipway.";

/// Makes sure that the schema is the one this program was built for, without changing it.
///
/// # Errors
/// When it is older or newer, with what to do.
pub async fn check_migrated(pool: &PgPool) -> anyhow::Result<()> {
    let exists = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "exists!""#).fetch_one(pool).await?;
    anyhow::ensure!(exists, "the database is empty. Run `slipway migrate` first.");
    // The table is sqlx's own: unknown to the migrations the queries are checked against.
    let applied: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations where success order by version").fetch_all(pool).await?;
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    anyhow::ensure!(known.iter().all(|version| applied.contains(version)), "the database is older than this program. Run `slipway migrate` first.");
    anyhow::ensure!(applied.iter().all(|version| known.contains(version)), NEWER);
    Ok(())
}

/// The installation's id and cursor key, made at first start.
pub(crate) async fn installation(pool: &PgPool) -> anyhow::Result<(Uuid, [u8; 32])> {
    let key: [u8; 32] = rand::random();
    sqlx::query!("insert into installation (id, cursor_key) values ($1, $2) on conflict do nothing", Uuid::now_v7(), &key[..]).execute(pool).await?;
    let row = sqlx::query!("select id, cursor_key from installation").fetch_one(pool).await?;
    let key = row.cursor_key.try_into().map_err(|_| anyhow::anyhow!("the cursor key is not 32 bytes long"))?;
    Ok((row.id, key))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The machinery's modules: their own tables, and what they read of the things that they lock, let in or record.
    const MACHINERY: [&str; 9] = ["access", "attempts", "audit", "db", "idempotency", "inventory", "leases", "live", "reconcile"];
    /// What a reconciler reads, and writes under its claim.
    const RECONCILERS: [&str; 4] = ["subject.rs", "observe.rs", "observation.rs", "record.rs"];

    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn sql_is_where_it_is_looked_for() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        files(&source, &mut found);
        let mut seen = 0;
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            if !product.contains(concat!("sqlx::", "query")) {
                continue;
            }
            seen += 1;
            let inside = path.strip_prefix(&source).unwrap();
            let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
            let (first, name) = (parts[0].trim_end_matches(".rs"), parts[parts.len() - 1]);
            let of_tests = name.ends_with("tests.rs") || ["fixture.rs", "testing.rs"].contains(&name);
            let fits = name == "store.rs" || parts.contains(&"store") || RECONCILERS.contains(&name) || MACHINERY.contains(&first) || of_tests;
            assert!(fits, "{} holds SQL: move it into a store.rs", inside.display());
        }
        assert!(seen > 30, "{seen} files with SQL were found");
    }
}
