//! What a caller may choose.

/// How deep messages, lists and `Any`s may nest, as in every other
/// implementation of protobuf.
const RECURSION_LIMIT: u32 = 100;

/// How JSON is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Pass over fields that the contract does not have, instead of refusing
    /// the message. Enum names that it does not have are passed over too.
    pub ignore_unknown: bool,
    /// How deep the message may nest; 100 by default.
    pub recursion_limit: u32,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            ignore_unknown: false,
            recursion_limit: RECURSION_LIMIT,
        }
    }
}

/// How JSON is written.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Write field names as the contract spells them, not in `lowerCamelCase`.
    pub proto_names: bool,
    /// Write enum values as numbers.
    pub enums_as_numbers: bool,
    /// Write fields that have their default value and no presence: zeros,
    /// empty strings, lists and maps.
    pub print_defaults: bool,
    /// Spread the JSON over lines with this many spaces per level.
    pub indent: Option<u8>,
    /// How deep the message may nest; 100 by default.
    pub recursion_limit: u32,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            proto_names: false,
            enums_as_numbers: false,
            print_defaults: false,
            indent: None,
            recursion_limit: RECURSION_LIMIT,
        }
    }
}
