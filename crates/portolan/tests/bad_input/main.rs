//! Bad input over the wire against the real binary: values that cannot be, JSON
//! and frames that are broken, HTTP that is none, and clients that vanish. Each
//! gets its status and its sentence, and the server goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../support/mod.rs"]
mod support;

mod ask;
mod floods;
mod frames;
mod http;
mod json;
mod silence;
mod values;
mod vanish;
