//! Decimal numbers, both ways: JSON's form of a number (RFC 8259 §6) read in
//! one pass, and the shortest text of an integer or a float written.
//!
//! No integer goes through a floating-point number, a float is rounded once,
//! and both are exact for any text. What a field may hold, and what to say when
//! it may not, is the reader's and the writer's.

mod digits;
mod fives;
mod float;
mod floats;
mod grammar;
mod integer;
pub(crate) mod print;
mod print_f32;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use floats::short_floats;
pub(crate) use scan::{Number, PlainInteger, plain_integer, scan};
