//! What is wrong with a text that is not JSON, in words.

use crate::{Error, Problem};

/// A syntax error at a byte.
#[cold]
#[inline(never)]
pub(super) fn syntax(text: &str, offset: usize) -> Error {
    Error::new(Problem::Syntax(text.to_owned()), offset)
}

/// The wrong sort of value, or something that is no value at all, by its first
/// byte.
#[cold]
#[inline(never)]
pub(super) fn wrong_type(expected: &'static str, first: u8, offset: usize) -> Error {
    let found = match first {
        b'n' => "null",
        b't' | b'f' => "a boolean",
        b'"' => "a string",
        b'[' => "an array",
        b'{' => "an object",
        b'-' | b'0'..=b'9' => "a number",
        _ => {
            let text = format!("expected {expected}, found no JSON value");
            return Error::new(Problem::Syntax(text), offset);
        }
    };
    Error::new(Problem::Type { expected, found }, offset)
}
