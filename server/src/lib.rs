//! The process: wiring and HTTP. What it can do is `control`; what people see is `app`.

// Views are types, and the pages that are drawn here are deep ones.
#![recursion_limit = "512"]

pub mod admin;
pub mod config;
pub mod forms;
pub mod live;
pub mod postgres;
pub mod rest;
pub mod router;
pub mod serve;
pub mod session;
pub mod state;
pub mod telemetry;
