//! Random contracts and random messages of them, for comparing the transcoder
//! with other implementations of protobuf.
//!
//! A [`Contract`] has everything the language has: proto2, proto3 and editions,
//! presence of every sort, open and closed enums with aliases, groups, maps,
//! oneofs, extensions, names of every style. [`Messages`] makes messages of it,
//! and [`rewrite`] says the same message in other bytes. All of it comes from
//! one seed, so that a finding is one number.
//!
//! What the messages must become is nobody's business here; the comparisons do
//! that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a generator of tests: what it makes is valid, and a test is what finds out"
)]

mod contract;
mod descriptor;
mod files;
mod message;
mod names;
mod rewrite;
mod seed;
mod text;

pub use contract::{Contract, Syntax};
pub use message::Messages;
pub use rewrite::{in_order, rewrite, without_one};
pub use seed::Random;
pub use text::mutate;
