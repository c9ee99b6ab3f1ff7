//! One file per address.

pub mod account;
pub mod accounts;
pub mod audit;
pub mod change;
pub mod cluster;
pub mod clusters;
pub mod deploy;
pub mod deployment;
pub mod deployments;
pub mod error;
pub mod home;
pub mod link;
pub mod model;
pub mod models;
pub mod operations;
pub mod profile;
pub mod reference;
pub mod register;
pub mod release;
pub mod sign_in;
mod team_choice;
pub mod team_tokens;
pub mod teams;
pub mod user;
pub mod users;
pub mod workspace;
pub mod workspaces;
