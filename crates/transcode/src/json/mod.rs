//! JSON as text (RFC 8259): where values begin and end, strings and their
//! escapes, and what is wrong with it. Nothing here knows of messages.

mod fault;
mod scanner;
mod string;

pub(crate) use scanner::{Scanner, Step, is_number_start};
