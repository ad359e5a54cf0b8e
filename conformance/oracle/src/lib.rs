//! The reference that `portolan-transcode` is compared with: the same rules and
//! the same public face, written for being right and not for being fast.
//!
//! It reads JSON with an existing reader (jiter), builds wire bytes in plain
//! vectors, measures what it writes before it writes it, and has no `unsafe`.
//! Where the two disagree on whether an input is a message, or on a byte of what
//! it becomes, one of them is wrong; the fuzzers in `fuzz/` look for such inputs.
//! A change of the rules is made in both, and here first.
//!
//! It leaves speed, and the tests of the rules, to `portolan-transcode`. The
//! rooms are the ones that crate began with: `table` holds what is compiled per
//! message type, `read` goes from JSON to wire bytes, `write` from wire bytes to
//! JSON, `text` knows the special forms of strings, and `wire` the encoding.

#![forbid(unsafe_code)]

mod error;
mod options;
mod read;
mod table;
mod text;
mod transcoder;
mod wire;
mod write;

pub use error::{Error, Problem};
pub use options::{ReadOptions, WriteOptions};
pub use transcoder::Transcoder;
