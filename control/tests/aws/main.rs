//! The AWS adapters, and the operations that lean on them, against a running emulator: a process of its own for every test.

mod accounts;
mod emulator;
mod releases;
mod roles;
