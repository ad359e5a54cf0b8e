//! Which RPC a plain HTTP request reaches, and with what message: contracts of
//! a few lines, the options, and what is found wrong with them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod conflicts;
mod contract;
mod options;
mod queries;
mod variables;
