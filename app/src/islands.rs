//! What lives in the browser: leaves, each small, each with a page that works without it.

pub mod live;
