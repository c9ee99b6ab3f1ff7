//! What a new sandbox starts with. Every step can be taken again, so that a seed cut short is finished by the next start.

mod clusters;
mod environment;
mod identities;
mod images;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Client, Keys};
use crate::config::{Options, Seed};
use crate::sandbox::Sandbox;

/// How long a cluster or node group may take.
const PATIENCE: Duration = Duration::from_secs(170);

/// Puts everything in place and writes the environment file.
///
/// # Errors
/// With the step that failed.
pub async fn seed(options: &Options, sandbox: &Arc<Sandbox>) -> Result<()> {
    let root = Client::new(sandbox.listen, &options.region, Keys { id: "test".into(), secret: "test".into(), token: None });
    let keys = identities::administrator(&root, sandbox).await?;
    let administrator = root.with_keys(keys);
    if options.seed == Seed::Demo {
        timed("roles and users", identities::demo(&root, sandbox)).await?;
        tokio::try_join!(clusters::create(options, sandbox, &administrator), timed("model images", images::push(options, &administrator)),)?;
    }
    environment::write(options, sandbox)
}

/// Says how long a step took: the start is what people wait for.
async fn timed<T>(what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let result = step.await?;
    tracing::info!("{what}: done in {} ms", started.elapsed().as_millis());
    Ok(result)
}

/// Takes an answer for done when it says that the thing is there already.
fn ensured(answer: Answer) -> Result<()> {
    const THERE: [&str; 3] = ["EntityAlreadyExists", "ResourceInUseException", "RepositoryAlreadyExistsException"];
    if THERE.contains(&answer.error_code().as_str()) {
        return Ok(());
    }
    answer.success().map(drop)
}

/// Waits until the cluster or node group at `path` is active.
async fn until_active(client: &Client, path: &str, field: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let described = client.eks(Method::GET, path, None).await?.success()?.json();
        let described = &described[field];
        match described["status"].as_str().unwrap_or_default() {
            "ACTIVE" => return Ok(()),
            "CREATING" | "UPDATING" if Instant::now() < deadline => sleep(Duration::from_millis(100)).await,
            status => {
                let issues = described["health"]["issues"].as_array().into_iter().flatten();
                let reasons: Vec<&str> = issues.filter_map(|issue| issue["message"].as_str()).collect();
                bail!("{path} is {status}: {}", reasons.join("; "));
            }
        }
    }
}

/// The text in `value` at `pointer`; empty when there is none.
fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
