//! The AWS side against a really started emulator; the Kubernetes side is only said to exist.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod authorization;
mod clusters;
mod faults;
mod registry;
mod support;
mod tokens;
