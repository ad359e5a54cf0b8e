//! Header compression (RFC 7541).

mod decoder;
mod encoder;
mod huffman;
mod tables;

pub(super) use decoder::{Decoder, Field};
pub(super) use encoder::Encoder;
pub(crate) use encoder::Head;

/// A header block that is none. The connection cannot go on, since both sides
/// no longer know the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The size of the dynamic table unless somebody says otherwise.
pub(super) const TABLE_SIZE: usize = 4096;
