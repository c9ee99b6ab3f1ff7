//! One file per address.

pub mod error;
pub mod sign_in;
pub mod teams;
