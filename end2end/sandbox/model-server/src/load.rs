//! Bringing the model up while health is already answered.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tracing::{info, warn};

use crate::{
    card::Card,
    metrics::Metrics,
    model::Model,
    settings::Settings,
    state::{Phase, State},
};

const MIB: usize = 1024 * 1024;
const PAGE: usize = 4096;
const BALLAST_STEP_MIB: usize = 16;

/// Memory that is held as long as the model is, as the weights of a large one would be.
pub struct Ballast(Vec<Vec<u8>>);

impl Ballast {
    /// Takes up `mib` mebibytes, every page of them.
    #[must_use]
    pub fn take(mib: usize) -> Self {
        let mut blocks = Vec::new();
        let mut taken = 0;
        while taken < mib {
            let step = BALLAST_STEP_MIB.min(mib - taken);
            let mut block = vec![0_u8; step * MIB];
            // An untouched page is not counted against a limit.
            block.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
            blocks.push(block);
            taken += step;
            info!("reserved {taken} of {mib} MiB for the model");
        }
        Self(blocks)
    }

    /// Mebibytes held.
    #[must_use]
    pub fn mib(&self) -> usize {
        self.0.iter().map(Vec::len).sum::<usize>() / MIB
    }
}

/// Loads the model and moves `state` on. Returns what has to stay in memory.
///
/// A model that fails its self-test leaves the process running but not ready:
/// someone may want to look at it.
///
/// # Errors
/// When the model cannot be loaded; the process has nothing to do then.
pub async fn load(settings: &Settings, card: Card, state: &State, metrics: &Metrics) -> Result<Ballast> {
    let started = Instant::now();
    info!("loading {} {} from {}", card.name, card.version, settings.folder.join(&card.file).display());
    wait(settings.load_delay).await;
    let (ballast_mib, folder): (usize, PathBuf) = (settings.ballast_mib, settings.folder.clone());
    let (model, ballast) = tokio::task::spawn_blocking(move || {
        let ballast = Ballast::take(ballast_mib);
        Model::load(&folder, card).map(|model| (model, ballast))
    })
    .await
    .context("loading the model was interrupted")??;
    if let Err(error) = model.self_test() {
        state.enter(Phase::Unfit(format!("{error:#}")));
        warn!("not ready: {error:#}");
        return Ok(ballast);
    }
    let took = started.elapsed();
    metrics.loaded(took);
    state.enter(Phase::Ready(model.into()));
    info!("ready after {:.1} s", took.as_secs_f64());
    Ok(ballast)
}

/// Waits and says so, so that a slow start does not look like a hang.
async fn wait(delay: Duration) {
    let until = Instant::now() + delay;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        info!("still loading, {} s left", left.as_secs_f64().ceil());
        tokio::time::sleep(left.min(Duration::from_secs(5))).await;
    }
}
