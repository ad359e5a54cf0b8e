//! The special forms that strings and numbers take in JSON. Nothing here knows
//! of messages or of JSON's structure.

pub(crate) mod base64;
pub(crate) mod duration;
pub(crate) mod field_mask;
pub(crate) mod number;
pub(crate) mod timestamp;
