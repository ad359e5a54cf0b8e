//! Messages and their fields.

use crate::{DefaultValue, EnumId};

/// The place of a message in its [`Schema`](crate::Schema).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub(crate) u32);

impl MessageId {
    /// The position in [`Schema::messages`](crate::Schema::messages).
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A message type.
#[derive(Debug)]
pub struct Message {
    pub(crate) name: Box<str>,
    pub(crate) fields: Vec<Field>,
    pub(crate) extensions: Vec<Field>,
    pub(crate) oneofs: Vec<Box<str>>,
    pub(crate) oneof_comments: Vec<Box<str>>,
    pub(crate) map_entry: bool,
    pub(crate) message_set: bool,
    pub(crate) deprecated: bool,
    pub(crate) comment: Box<str>,
}

impl Message {
    /// The full name, such as `google.protobuf.Timestamp`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fields in the order of their declaration.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The extensions of this message that the schema knows; their names are
    /// full names.
    #[must_use]
    pub fn extensions(&self) -> &[Field] {
        &self.extensions
    }

    /// The names of the oneofs; [`Field::oneof`] is an index into them.
    #[must_use]
    pub fn oneofs(&self) -> &[Box<str>] {
        &self.oneofs
    }

    /// The comment in front of the oneof with this index; empty for none.
    #[must_use]
    pub fn oneof_comment(&self, index: usize) -> &str {
        self.oneof_comments.get(index).map_or("", |comment| comment)
    }

    /// Whether this is the entry that a `map` field stands for.
    #[must_use]
    pub fn is_map_entry(&self) -> bool {
        self.map_entry
    }

    /// Whether its extensions are on the wire as items of a message set, the
    /// form that extensions had before there were extensions
    /// (`message_set_wire_format`).
    #[must_use]
    pub fn is_message_set(&self) -> bool {
        self.message_set
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// The comment in front of it, without comment marks; empty when there is
    /// none or the descriptors carry no source information.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The field with this name, as the contract spells it or as JSON does.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| &*field.name == name)
            .or_else(|| self.fields.iter().find(|field| &*field.json_name == name))
    }

    /// The field with this number.
    #[must_use]
    pub fn field_by_number(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the language's type names")]
pub enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    Enum(EnumId),
    /// A message, prefixed with its length on the wire.
    Message(MessageId),
    /// A message between start and end tags: a proto2 group, or a field with
    /// the feature `message_encoding = DELIMITED`.
    Delimited(MessageId),
}

impl Kind {
    /// The type of message that such a field holds, if it holds one.
    #[must_use]
    pub fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(id) | Self::Delimited(id) => Some(id),
            _ => None,
        }
    }

    /// Whether several values may share one length-prefixed record.
    #[must_use]
    pub fn is_packable(self) -> bool {
        !matches!(
            self,
            Self::String | Self::Bytes | Self::Message(_) | Self::Delimited(_)
        )
    }
}

/// How many values a field has, and whether its absence can be told from a
/// default value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// Zero or one; absent and default are the same (proto3 without `optional`).
    Implicit,
    /// Zero or one, with presence.
    Optional,
    /// Exactly one (proto2 `required`, `LEGACY_REQUIRED`).
    Required,
    /// Any number, written one record per value.
    Repeated,
    /// Any number, written as one packed record.
    Packed,
    /// A map: any number of entry messages.
    Map,
}

impl Cardinality {
    /// Whether there is at most one value.
    #[must_use]
    pub fn is_singular(self) -> bool {
        matches!(self, Self::Implicit | Self::Optional | Self::Required)
    }
}

/// A field of a message, or an extension of one.
#[derive(Debug)]
pub struct Field {
    pub(crate) number: u32,
    pub(crate) name: Box<str>,
    pub(crate) json_name: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) cardinality: Cardinality,
    pub(crate) oneof: Option<u32>,
    pub(crate) utf8: bool,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) deprecated: bool,
    pub(crate) options: Box<[u8]>,
    pub(crate) comment: Box<str>,
}

impl Field {
    /// The number, from 1 to 536,870,911.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name as the contract spells it; the full name for an extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in JSON, usually `lowerCamelCase`; `[full.name]` for an extension.
    #[must_use]
    pub fn json_name(&self) -> &str {
        &self.json_name
    }

    /// What it holds. For a map this is the entry message.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How many values it has.
    #[must_use]
    pub fn cardinality(&self) -> Cardinality {
        self.cardinality
    }

    /// The oneof it belongs to, as an index into [`Message::oneofs`]. The
    /// synthetic oneof of a proto3 `optional` field does not count.
    #[must_use]
    pub fn oneof(&self) -> Option<usize> {
        self.oneof.map(|index| index as usize)
    }

    /// Whether a string on the wire must be valid UTF-8.
    #[must_use]
    pub fn must_be_utf8(&self) -> bool {
        self.utf8
    }

    /// The default value that the contract gives it. Without one, the default
    /// is zero, empty, or the first value of an enum.
    #[must_use]
    pub fn default_value(&self) -> Option<&DefaultValue> {
        self.default.as_ref()
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// Its options as the descriptor has them: an encoded
    /// `google.protobuf.FieldOptions`, extensions such as
    /// `google.api.field_behavior` included. Empty when it has none.
    #[must_use]
    pub fn options(&self) -> &[u8] {
        &self.options
    }

    /// The comment in front of it; see [`Message::comment`].
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}
