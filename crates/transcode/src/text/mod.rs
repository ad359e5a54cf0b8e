//! The special forms that strings take in JSON. Nothing here knows
//! of messages or of JSON's structure.

pub(crate) mod base64;
mod digits;
pub(crate) mod duration;
pub(crate) mod field_mask;
pub(crate) mod timestamp;

/// A short text: it stands at the start of the bytes, and this is its length.
pub(crate) type Piece = ([u8; 32], usize);
