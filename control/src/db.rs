//! The database: the only state that replicas share.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

/// Every migration, in the program.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Opens a pool.
///
/// # Errors
/// When the database does not answer within ten seconds.
pub async fn connect(options: PgConnectOptions, connections: u32) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.application_name("slipway"))
        .await
        .context("the database does not answer")
}

/// Brings the schema up to date. Several replicas may do so at once: a lock in the database puts them in line.
///
/// # Errors
/// When a migration fails, or the database is newer than this program.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    MIGRATOR.run(pool).await.context("the database could not be migrated")
}

/// The installation's id and cursor key, made at first start.
pub(crate) async fn installation(pool: &PgPool) -> anyhow::Result<(Uuid, [u8; 32])> {
    let key: [u8; 32] = rand::random();
    sqlx::query!("insert into installation (id, cursor_key) values ($1, $2) on conflict do nothing", Uuid::now_v7(), &key[..]).execute(pool).await?;
    let row = sqlx::query!("select id, cursor_key from installation").fetch_one(pool).await?;
    let key = row.cursor_key.try_into().map_err(|_| anyhow::anyhow!("the cursor key is not 32 bytes long"))?;
    Ok((row.id, key))
}
