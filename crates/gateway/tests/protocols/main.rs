//! The gateway before a small real service, in process: every protocol, and
//! everything that clients and services can do wrong.
//!
//! One binary, so that the contract is compiled once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod client;
mod contract;
mod equal;
mod upstream;
