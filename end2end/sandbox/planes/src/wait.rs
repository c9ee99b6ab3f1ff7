//! Waiting for something to become true, with a reason when it does not.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::part::{Health, Part};

const EVERY: Duration = Duration::from_millis(150);

/// Waits until `done`. Gives up after `most`, or as soon as one of `parts` keeps dying.
///
/// # Errors
/// With the name and the last words of a part that keeps dying, or else of each part.
pub(crate) async fn until<F: Future<Output = bool> + Send>(most: Duration, parts: &[&Part], mut done: impl FnMut() -> F + Send) -> Result<()> {
    let deadline = Instant::now() + most;
    loop {
        if done().await {
            return Ok(());
        }
        for part in parts {
            if let Health::Failing(last) = part.health() {
                bail!("{} keeps dying: {last}", part.name());
            }
        }
        if Instant::now() >= deadline {
            let last: Vec<String> = parts.iter().map(|part| format!("{} last said: {}", part.name(), part.last_line())).collect();
            bail!("not ready after {} s; {}", most.as_secs(), last.join("; "));
        }
        tokio::time::sleep(EVERY).await;
    }
}
