//! One file per address.

pub mod error;
pub mod teams;
