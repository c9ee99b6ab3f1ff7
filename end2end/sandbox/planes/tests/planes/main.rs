//! The planes as their callers see them. The programs are found as `go-tools` prints them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod access;
mod fake;
mod lifecycle;
mod real;
mod support;
