//! The one place with `unsafe`: bytes appended in pieces of a fixed size, and the
//! search for the byte that ends a run of plain text, with the instructions that
//! the processor has.
//!
//! Every function here is safe to call with any argument: it makes the room it
//! writes to, and looks at the bounds it reads within. What is above it works
//! on slices.
//!
//! A run under Miri needs a nightly toolchain and the plain level, which it
//! chooses by itself: `cargo +nightly miri test -p portolan-transcode raw`.
#![allow(unsafe_code)]

mod input;
mod level;
mod output;
mod piece;
mod plain;
mod wide;

pub(crate) use input::Input;
pub use level::Level;
pub(crate) use output::Output;
pub(crate) use piece::Piece;
pub(crate) use plain::{commas, find_near_quote, find_special, follows};
pub(crate) use wide::{Look, Work, look_wide};
