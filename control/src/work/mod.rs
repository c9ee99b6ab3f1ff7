//! The worker.

pub mod points;
