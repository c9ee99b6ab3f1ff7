//! The portal as browsers and automation meet it: the real router on a database of its own for every test.
//! Each file mirrors the addresses it is about. One program for all of them, since linking is what takes the time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod accounts;
mod addresses;
mod admin;
mod attacks;
mod bodies;
mod broken;
mod clusters;
mod common;
mod contract;
mod deploy_forms;
mod deployments;
mod identity;
mod links;
mod models;
mod overwrite;
mod place;
mod playground;
mod process;
mod profile;
mod rejections;
mod session_ended;
mod users;
mod workspaces;
