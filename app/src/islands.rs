//! What lives in the browser: leaves, each small, each with a page that works without it.

#[cfg(feature = "hydrate")]
pub mod copy;
pub mod live;
pub mod log;
#[cfg(feature = "hydrate")]
mod morph;
pub mod recheck;
#[cfg(feature = "hydrate")]
mod stream;
