//! What the portal can do.
//!
//! One function per operation: `<resource>::<verb>(ctx, …)`. It authorizes first, then checks rules, then one transaction
//! writes the row, the audit event and the reconcile mark. REST handlers, form posts, the command line
//! and the worker all call the same functions.
//!
//! Dependencies point one way: a resource leans on the machinery ([`access`], [`audit`], [`operations`], [`reconcile`],
//! [`leases`], [`db`]) and on the adapters ([`aws`], [`k8s`]), never the other way round; a resource reaches another only
//! through its `mod.rs`.

pub mod access;
pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod aws;
pub mod clock;
pub mod clusters;
pub mod ctx;
pub mod db;
pub mod deployments;
pub mod error;
pub mod idempotency;
pub mod inventory;
pub mod k8s;
pub mod leases;
pub mod links;
pub mod live;
pub mod models;
pub mod observed;
pub mod operations;
pub mod paging;
pub mod passwords;
pub mod reconcile;
pub mod releases;
pub mod secrets;
pub mod sessions;
pub mod teams;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tokens;
pub mod users;
pub mod work;
pub mod workspaces;

use std::{ops::Deref, sync::Arc, time::Duration};

use sqlx::PgPool;
use url::Url;
use uuid::Uuid;

pub use access::Actor;
pub use ctx::{Credential, Ctx, Request, Tx};
pub use error::{Error, OrReplay, Result};

/// A thing's id, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<Id> {
    pub id: Id,
    pub name: String,
}

/// Everything operations lean on. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Parts>);

/// The parts of [`Control`].
pub struct Parts {
    /// Connections to write with, and for what works in the background.
    pub pool: PgPool,
    /// Connections that requests read with.
    pub reads: db::Reads,
    pub settings: Settings,
    /// Marks every object Slipway makes in clusters.
    pub installation: Uuid,
    pub cursor_key: [u8; 32],
    pub aws: aws::Aws,
    pub k8s: k8s::Clients,
    pub passwords: passwords::Passwords,
    pub live: live::Hub,
}

/// What the process was told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where people reach the portal; one-time links are made from it.
    pub public_url: Url,
    /// A session ends when it was not used for so long.
    pub session_idle: Duration,
    /// A session ends after so long, whatever happens.
    pub session_lifetime: Duration,
    /// Invitations and password resets work for so long.
    pub link_lifetime: Duration,
    /// How long finished operations are kept.
    pub operation_retention: Duration,
    /// How many connections requests read with, besides the pool.
    pub reading_connections: u32,
    pub times: reconcile::Times,
}

impl Control {
    /// Puts the parts together over a migrated database.
    ///
    /// # Errors
    /// When the database does not answer or holds no installation row and none can be made.
    pub async fn new(pool: PgPool, settings: Settings) -> anyhow::Result<Self> {
        Self::with_aws(pool, settings, aws::Aws::new().await).await
    }

    /// The same with another way to AWS.
    ///
    /// # Errors
    /// Those of [`Control::new`].
    pub async fn with_aws(pool: PgPool, settings: Settings, aws: aws::Aws) -> anyhow::Result<Self> {
        let (installation, cursor_key) = db::installation(&pool).await?;
        let reads = db::Reads::new(&pool, settings.reading_connections)?;
        Ok(Self(Arc::new(Parts { aws, k8s: k8s::Clients::new(), passwords: passwords::Passwords::new(), live: live::Hub::new(), pool, reads, settings, installation, cursor_key })))
    }
}

impl Deref for Control {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
