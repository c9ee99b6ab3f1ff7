//! What changed, told to everyone who listens: the worker that should wake and the pages that are open.
//!
//! Messages carry ids only. A lost message costs a poll interval, never an update.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, postgres::PgListener};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Result;

const CHANNEL: &str = "slipway";
const BACKLOG: usize = 1024;

/// Something that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something is due: look for work.
    Work,
    /// The thing with this id changed: draw it again.
    Object(Uuid),
}

/// Hands messages from the database to listeners in this process.
pub struct Hub {
    sender: broadcast::Sender<Change>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0 }
    }

    /// Everything that changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    /// Listens on a connection of its own until cancelled; a lost connection is made anew.
    pub async fn run(&self, pool: &PgPool, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let listening = async {
                let mut listener = PgListener::connect_with(pool).await?;
                listener.listen(CHANNEL).await?;
                loop {
                    let message = listener.recv().await?;
                    if let Some(change) = parse(message.payload()) {
                        // Nobody listening is fine.
                        let _ = self.sender.send(change);
                    }
                }
            };
            let outcome: Option<Result<(), sqlx::Error>> = stop.run_until_cancelled(listening).await;
            if let Some(Err(error)) = outcome {
                tracing::warn!(%error, "lost the listening connection to the database, making it anew");
                stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
            }
        }
    }
}

fn parse(payload: &str) -> Option<Change> {
    match payload {
        "work" => Some(Change::Work),
        id => Uuid::parse_str(id).ok().map(Change::Object),
    }
}

/// Tells everyone, when the transaction commits, that the thing changed.
///
/// # Errors
/// A fault when the database fails.
pub async fn changed(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query!("select pg_notify($1, $2)", CHANNEL, id.to_string()).execute(conn).await?;
    Ok(())
}

/// Wakes the workers when the transaction commits.
///
/// # Errors
/// A fault when the database fails.
pub async fn wake(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_notify($1, 'work')", CHANNEL).execute(conn).await?;
    Ok(())
}
