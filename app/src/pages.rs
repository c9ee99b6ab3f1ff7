//! One file per address.

pub mod audit;
pub mod error;
pub mod link;
pub mod operations;
pub mod profile;
pub mod sign_in;
pub mod team_tokens;
pub mod teams;
pub mod user;
pub mod users;
