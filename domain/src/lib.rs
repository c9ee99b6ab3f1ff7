//! What Slipway's things are: ids, names, states, requests, views and the access table.
//!
//! This crate does no input and no output, so one definition serves the browser, REST and SQL.

pub mod access;
pub mod account;
pub mod audit;
pub mod cluster;
pub mod deployment;
pub mod error;
pub mod ids;
pub mod limits;
pub mod model;
pub mod names;
pub mod operation;
pub mod page;
pub mod serving;
pub mod size;
pub mod state;
pub mod team;
pub mod timestamp;
pub mod token;
pub mod user;
pub mod workspace;

pub use error::{Code, FieldError, Rejected};
pub use timestamp::Timestamp;
