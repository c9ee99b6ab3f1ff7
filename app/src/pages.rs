//! One file per address.

pub mod audit;
pub mod error;
pub mod operations;
pub mod sign_in;
pub mod teams;
