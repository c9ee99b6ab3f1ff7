//! What the process is doing, as health answers and requests see it.

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::Model;

/// How far the model is.
#[derive(Clone)]
pub enum Phase {
    /// Not loaded yet.
    Loading,
    /// Loaded, but it may not answer: why.
    Unfit(String),
    /// Answers requests.
    Ready(Arc<Model>),
    /// Told to end: not ready for more, but requests that already came are still answered by what was ready.
    Stopping(Option<Arc<Model>>),
}

/// The shared, changing phase.
#[derive(Clone)]
pub struct State(Arc<RwLock<Phase>>);

impl Default for State {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Phase::Loading)))
    }
}

impl State {
    /// The phase of this moment.
    #[must_use]
    pub fn phase(&self) -> Phase {
        // A phase is replaced whole, so one left by a panic is as good as any.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves to `phase`. Once stopping, it stays so.
    pub fn enter(&self, phase: Phase) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*current, Phase::Stopping(_)) {
            *current = phase;
        }
    }

    /// Moves to stopping, and keeps a model that is ready.
    pub fn stop(&self) {
        let model = match self.phase() {
            Phase::Ready(model) => Some(model),
            _ => None,
        };
        self.enter(Phase::Stopping(model));
    }
}
