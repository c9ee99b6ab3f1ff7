//! The portal as browsers and automation meet it: the real router on a database of its own for every test.
//! Each file mirrors the addresses it is about.

mod common;
mod identity;
