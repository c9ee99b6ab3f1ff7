//! What tests of operations start from: a migrated database of their own, people, and contexts for them.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use domain::{access::PlatformRole, audit::Source, ids::UserId};
use sqlx::{PgConnection, PgPool};
use std::time::Duration;

use crate::{Actor, Control, Ctx, Request, Settings, aws::Aws, idempotency, reconcile::Times, secrets};

/// The password of people made with [`World::user_with_password`].
pub const PASSWORD: &str = "seven random words in a row";

/// Settings that fit tests.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        public_url: "http://slipway.test".parse().expect("a URL"),
        session_idle: Duration::from_secs(3600),
        session_lifetime: Duration::from_secs(86_400),
        link_lifetime: Duration::from_secs(86_400),
        operation_retention: Duration::from_secs(30 * 86_400),
        reading_connections: 4,
        times: Times::default(),
    }
}

/// AWS at another address, entered with keys of an emulator's root user.
#[must_use]
pub fn aws(endpoint: &str) -> Aws {
    aws_as(endpoint, "test", "test")
}

/// AWS at another address, entered with these keys.
#[must_use]
pub fn aws_as(endpoint: &str, key: &str, secret: &str) -> Aws {
    let keys = SharedCredentialsProvider::new(Credentials::new(key, secret, None, None, "tests"));
    Aws::over(SdkConfig::builder().behavior_version(BehaviorVersion::latest()).endpoint_url(endpoint).credentials_provider(keys).build())
}

/// A control whose AWS is a closed port: what wants to go there fails at once.
pub async fn control(pool: PgPool) -> Control {
    control_at(pool, "http://127.0.0.1:9").await
}

/// A control whose AWS is at this address.
pub async fn control_at(pool: PgPool, endpoint: &str) -> Control {
    Control::with_aws(pool, settings(), aws(endpoint)).await.expect("a migrated database")
}

/// Comes back once somebody waits for a lock in the database that `conn` is connected to.
pub async fn until_somebody_waits(conn: &mut PgConnection) {
    let waits = "select exists (select from pg_locks w join pg_locks own using (pid)
                                where not w.granted and own.database = (select oid from pg_database where datname = current_database()))";
    for _ in 0..1000 {
        if sqlx::query_scalar(waits).fetch_one(&mut *conn).await.expect("an answer") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits for a lock");
}

/// A control over a database of its own.
pub struct World {
    pub control: Control,
}

impl World {
    pub async fn new(pool: PgPool) -> Self {
        Self { control: control(pool).await }
    }

    /// A person `<name>@example.com`, signed in.
    pub async fn user(&self, name: &str, platform: Option<PlatformRole>) -> Ctx {
        let id = UserId::generate();
        sqlx::query!(
            "insert into users (id, email, name, password_hash, platform_role) values ($1, $2, $3, 'none', $4)",
            id.0,
            format!("{name}@example.com"),
            name,
            platform as Option<PlatformRole>
        )
        .execute(&self.control.pool)
        .await
        .expect("a new user");
        self.ctx(Actor::user(id, name.into(), platform))
    }

    /// A person `<name>@example.com` who can sign in with [`PASSWORD`].
    pub async fn user_with_password(&self, name: &str) -> Ctx {
        let ctx = self.user(name, None).await;
        let hash = self.control.passwords.hash(PASSWORD.into()).await.expect("a hash");
        let id = ctx.actor().user_id().expect("a user");
        sqlx::query!("update users set password_hash = $2 where id = $1", id.0, hash).execute(&self.control.pool).await.expect("a password");
        ctx
    }

    /// Nobody.
    #[must_use]
    pub fn nobody(&self) -> Ctx {
        self.ctx(Actor::anonymous())
    }

    /// A context for an actor.
    #[must_use]
    pub fn ctx(&self, actor: Actor) -> Ctx {
        Ctx::new(self.control.clone(), actor, Source::Api, Request::default())
    }
}

impl Ctx {
    /// The same, having last seen this version.
    #[must_use]
    pub fn seeing(&self, version: i64) -> Self {
        Self::new(self.control().clone(), self.actor().clone(), self.source(), Request { if_match: Some(version), ..self.request().clone() })
    }

    /// The same, with an idempotency key.
    #[must_use]
    pub fn once(&self, key: &str) -> Self {
        let key = idempotency::Key { key: key.into(), request_hash: secrets::hash("request") };
        Self::new(self.control().clone(), self.actor().clone(), self.source(), Request { idempotency: Some(key), ..self.request().clone() })
    }
}
