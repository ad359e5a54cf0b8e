//! What a caller may choose.

/// How deep messages may nest, as in every other implementation of protobuf. A
/// `google.protobuf.Value` is one level, and the struct or list in it is the
/// same one, as it is a single pair of brackets in JSON.
const RECURSION_LIMIT: u32 = 100;

/// More levels than anyone has use for, and fewer than a thread's stack holds.
pub(crate) const MOST_LEVELS: u32 = 500;

/// The member that holds what the contract does not have.
pub(crate) const UNKNOWN: &str = "@unknown";

/// How JSON is read.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// Pass over fields that the contract does not have, instead of refusing
    /// the message. Enum names that it does not have are passed over too.
    pub ignore_unknown: bool,
    /// Take the member `@unknown` that [`WriteOptions::keep_unknown`] writes:
    /// its records go to the wire as they are, once they are known to be
    /// well-formed. Without it `@unknown` is an unknown field.
    pub keep_unknown: bool,
    /// How deep the message may nest; 100 by default, and 500 at most. An `Any`
    /// whose type comes last is read once more for every `Any` around it.
    pub recursion_limit: u32,
}

impl ReadOptions {
    /// The recursion limit that holds.
    pub(crate) fn levels(&self) -> u32 {
        self.recursion_limit.min(MOST_LEVELS)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            ignore_unknown: false,
            keep_unknown: false,
            recursion_limit: RECURSION_LIMIT,
        }
    }
}

/// Which fields are written although the message does not have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrintDefaults {
    /// None: what is not there is left out, and so is a zero without presence.
    #[default]
    No,
    /// Those that have no presence, whose absence is their default: zeros,
    /// empty strings, lists and maps.
    WithoutPresence,
    /// Those that have presence too, as `null`: messages, the `optional` fields
    /// of proto3 and those of proto2. The members of a oneof are left out, since
    /// the oneof as a whole is what is not set, and so are extensions.
    All,
}

/// How JSON is written.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Write field names as the contract spells them, not in `lowerCamelCase`.
    pub proto_names: bool,
    /// Write enum values as numbers.
    pub enums_as_numbers: bool,
    /// Which of the fields that are not there are written nevertheless.
    pub print_defaults: PrintDefaults,
    /// Keep what the contract does not have: the fields of a message that are
    /// unknown, numbers of closed enums among them, are written as one more
    /// member, `@unknown`, with their wire bytes in base64. It is ours, not part
    /// of ProtoJSON, and lets a message come back from JSON complete; see
    /// [`ReadOptions::keep_unknown`]. Without it unknown fields are left out.
    /// Messages that JSON does not write as objects of fields, such as
    /// timestamps, have no place for them.
    pub keep_unknown: bool,
    /// Spread the JSON over lines with this many spaces per level.
    pub indent: Option<u8>,
    /// How deep the message may nest; 100 by default, and 500 at most.
    pub recursion_limit: u32,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            proto_names: false,
            enums_as_numbers: false,
            print_defaults: PrintDefaults::No,
            keep_unknown: false,
            indent: None,
            recursion_limit: RECURSION_LIMIT,
        }
    }
}
