//! One file per address.

pub mod audit;
pub mod change;
pub mod deploy;
pub mod deployment;
pub mod deployments;
pub mod error;
pub mod home;
pub mod operations;
pub mod sign_in;
pub mod teams;
