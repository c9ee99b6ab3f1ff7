//! The AWS adapters, and the operations that lean on them, against a running emulator: a process of its own for every test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod accounts;
mod emulator;
mod releases;
mod roles;
