//! The planes as their callers see them. The programs are found as `go-tools` prints them.

mod access;
mod fake;
mod lifecycle;
mod support;
