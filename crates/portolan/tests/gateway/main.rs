//! `portolan gateway` in front of a real gRPC server: the memory of another
//! process.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod contracts;
mod faults;
mod forwarded;

#[path = "../support/mod.rs"]
mod support;
