//! The gateway before a small real service, in process: every protocol, and
//! everything that clients and services can do wrong.
//!
//! One binary, so that the contract is compiled once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod around;
mod bad_input;
mod client;
mod compression;
mod contract;
mod equal;
mod errors;
mod faults;
mod flow;
mod http_body;
mod limits;
mod metadata;
mod random;
mod refusals;
mod rules;
mod said;
mod sockets;
mod streams;
mod timing;
mod upstream;
mod websocket;
