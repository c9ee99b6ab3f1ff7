//! One file per address.

pub mod audit;
pub mod error;
pub mod operations;
pub mod teams;
