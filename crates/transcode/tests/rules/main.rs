//! The rules of ProtoJSON and of the wire format, each with its cases, and a
//! comparison with another implementation on random messages.
//!
//! One binary, so that the contract is compiled once.

#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod accept;
mod contract;
mod cost;
mod differential;
mod levels;
mod limits;
mod mask;
mod mutation;
mod output;
mod random;
mod refuse;
mod same_names;
mod text;
mod unknown;
mod well_known;
mod wire;
