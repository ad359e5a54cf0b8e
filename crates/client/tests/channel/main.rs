//! A channel against real servers on real sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod again;
mod balance;
mod calls;
mod cancel;
mod door;
mod faults;
mod flow;
mod reflection;
mod server;
mod tls;
mod typed;
