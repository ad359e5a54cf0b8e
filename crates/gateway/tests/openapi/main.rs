//! Documents of contracts, read as people and programs read them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod contract;
mod document;
mod truth;
