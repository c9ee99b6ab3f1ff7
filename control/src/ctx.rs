//! The context that every operation takes first: who asks, through which door, over what.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Code, Rejected, audit::Source, names::is_deceptive, operation::ObjectKind};
use serde::Serialize;
use sqlx::{PgConnection, Postgres, Transaction, pool::PoolConnection};
use uuid::Uuid;

use crate::{Actor, Control, Result, db::Reading, idempotency};

/// What the caller showed, to make sure of them again while a stream goes on.
#[derive(Clone, Default)]
pub enum Credential {
    #[default]
    None,
    /// The secret in the cookie.
    Session(String),
    /// An API token.
    Token(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Session(_) => "Session(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// What came with the request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As logs name it.
    pub id: Option<String>,
    /// The network address it came from, as far as trusted proxies tell.
    pub address: Option<String>,
    /// Set when it must not happen twice.
    pub idempotency: Option<idempotency::Key>,
    /// The version that the caller last saw (`If-Match`).
    pub if_match: Option<i64>,
    pub credential: Credential,
}

/// Who asks, through which door, over what.
#[derive(Clone)]
pub struct Ctx {
    control: Control,
    actor: Actor,
    source: Source,
    request: Request,
    attempt: Arc<Mutex<Option<Attempt>>>,
}

/// What is being tried: a refusal is recorded with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `deployment.roll_back`
    pub action: &'static str,
    pub object_kind: ObjectKind,
    pub object_id: Option<Uuid>,
    /// What it was called in the request, where there is no thing yet to ask.
    pub object_name: Option<String>,
}

/// How operations begin. What they wait for is changed within moments; after this long whoever asked is told so, instead of being kept with one of the
/// pool's connections. Two statements in one message cost no more time than one.
const BEGIN: &str = "begin; set local lock_timeout = '5s'";

/// As much of a name as is recorded.
const MAX_NAMED: usize = 254;

impl Ctx {
    #[must_use]
    pub fn new(control: Control, actor: Actor, source: Source, request: Request) -> Self {
        Self { control, actor, source, request, attempt: Arc::default() }
    }

    /// The same request, once it is known who makes it: sign-in and one-time links begin with nobody.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
    }

    /// The same, with more known of its request. What is attempted stays one and the same: refusals are recorded with it.
    #[must_use]
    pub fn with_request(&self, request: Request) -> Self {
        Self { request, ..self.clone() }
    }

    /// Slipway itself, at work.
    #[must_use]
    pub fn worker(control: Control) -> Self {
        Self::new(control, Actor::system("slipway"), Source::Worker, Request::default())
    }

    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The secret of the session that asks, where it is one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match &self.request.credential {
            Credential::Session(secret) => Some(secret),
            Credential::None | Credential::Token(_) => None,
        }
    }

    /// The same, of which no repetition is known: what is kept to know one by would be a hash of what the request holds.
    #[must_use]
    pub fn unrepeatable(&self) -> Self {
        self.with_request(Request { idempotency: None, ..self.request.clone() })
    }

    /// Says what is being tried, for the record, before anything is checked.
    pub fn attempt(&self, action: &'static str, object_kind: ObjectKind, object_id: Option<Uuid>) {
        *self.attempt.lock().unwrap_or_else(PoisonError::into_inner) = Some(Attempt { action, object_kind, object_id, object_name: None });
    }

    /// Says what the thing was called in the request: anybody's text, so only so much of it, and nothing that hides.
    pub fn naming(&self, name: &str) {
        if let Some(attempt) = &mut *self.attempt.lock().unwrap_or_else(PoisonError::into_inner) {
            let name: String = name.trim().chars().filter(|c| !is_deceptive(*c)).take(MAX_NAMED).collect();
            attempt.object_name = Some(name).filter(|name| !name.is_empty());
        }
    }

    /// What was tried last.
    #[must_use]
    pub fn attempted(&self) -> Option<Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection to read with: it refuses to write.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn read(&self) -> Result<Reading> {
        Ok(self.control.reads.get().await?)
    }

    /// A connection to write one thing with, where there is no transaction of an operation's.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn write(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.control.pool.acquire().await?)
    }

    /// Begins the operation's transaction and settles its idempotency key in it.
    ///
    /// # Errors
    /// `Replayed` when the same request was done before, `idempotency_mismatch` when another was, `idempotency_in_progress` while it is done.
    pub async fn begin(&self) -> Result<Tx> {
        self.actor.check_signed_in()?;
        let mut inner = self.control.pool.begin_with(BEGIN).await?;
        let key = match &self.request.idempotency {
            Some(key) => {
                idempotency::claim(&mut inner, &self.actor.principal(), key).await?;
                Some((self.actor.principal(), key.key.clone()))
            }
            None => None,
        };
        Ok(Tx { inner, key })
    }

    /// Answers a repetition of a request from what was kept. An operation that asks somebody outside does so first of all: [`Ctx::begin`] comes only after.
    ///
    /// # Errors
    /// Those of [`Ctx::begin`].
    pub async fn check_new(&self) -> Result<()> {
        self.actor.check_signed_in()?;
        match &self.request.idempotency {
            Some(key) => idempotency::check_new(&mut *self.read().await?, &self.actor.principal(), key).await,
            None => Ok(()),
        }
    }

    /// Begins a transaction for whoever has not signed in: sign-in itself and one-time links.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn begin_anonymous(&self) -> Result<Tx> {
        Ok(Tx { inner: self.control.pool.begin_with(BEGIN).await?, key: None })
    }

    /// Refuses a change of something that changed since the caller saw it.
    ///
    /// # Errors
    /// `precondition_failed`.
    pub fn check_version(&self, version: i64) -> Result<(), Rejected> {
        match self.request.if_match {
            Some(seen) if seen != version => Err(Rejected::new(Code::PreconditionFailed, "It was changed since you last saw it. Load it again, then repeat your change.")),
            _ => Ok(()),
        }
    }
}

/// An operation's transaction. Dropping it undoes everything.
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    key: Option<(String, String)>,
}

impl Tx {
    /// Makes it so, and keeps the answer for a repetition of the same request.
    ///
    /// # Errors
    /// A fault when the database fails: then nothing happened.
    pub async fn commit<T: Serialize>(mut self, answer: T) -> Result<T> {
        if let Some((principal, key)) = &self.key {
            idempotency::settle(&mut self.inner, principal, key, &serde_json::to_value(&answer)?).await?;
        }
        self.inner.commit().await?;
        Ok(answer)
    }

    /// Makes it so without keeping the answer, which holds a secret; a repetition is told that it happened.
    ///
    /// # Errors
    /// A fault when the database fails: then nothing happened.
    pub async fn commit_secret<T>(self, answer: T) -> Result<T> {
        self.inner.commit().await?;
        Ok(answer)
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
