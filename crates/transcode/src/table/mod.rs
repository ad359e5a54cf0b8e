//! What is compiled once per message type: for each field its tag and its JSON
//! key ready to copy, and the ways from a name or a number to the field.

mod enums;
mod key;
mod names;
mod numbers;
mod seen;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};

use portolan_schema::{Cardinality, DefaultValue, EnumId, Field, Kind, Message, Schema};

use self::names::Names;
use self::numbers::Numbers;
use crate::wire;

pub(crate) use enums::EnumTable;
pub(crate) use key::{Key, Tag};
pub(crate) use seen::{Seen, SeenWords};

/// How a message looks in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An object with a member per field.
    Plain,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// A bare scalar or null: `google.protobuf.Int32Value` and its like.
    Wrapper,
}

impl Form {
    fn of(message: &Message) -> Self {
        match message.name().strip_prefix("google.protobuf.") {
            Some("Any") => Self::Any,
            Some("Timestamp") => Self::Timestamp,
            Some("Duration") => Self::Duration,
            Some("FieldMask") => Self::FieldMask,
            Some("Struct") => Self::Struct,
            Some("Value") => Self::Value,
            Some("ListValue") => Self::ListValue,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
                | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
            ) => Self::Wrapper,
            _ => Self::Plain,
        }
    }
}

/// What a writer finds in a record of a field, the frequent cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// One number, boolean or value of an open enum.
    Number,
    /// One string.
    String,
    /// One message with its length in front.
    Message,
    /// Anything else: the kind and the cardinality say what.
    Other,
}

impl Content {
    fn of(schema: &Schema, field: &Field) -> Self {
        match field.kind() {
            _ if !field.cardinality().is_singular() => Self::Other,
            Kind::String => Self::String,
            Kind::Message(_) => Self::Message,
            Kind::Enum(id) if schema.enumeration(id).is_closed() => Self::Other,
            Kind::Bytes | Kind::Delimited(_) => Self::Other,
            _ => Self::Number,
        }
    }
}

/// A compiled message type.
#[derive(Debug)]
pub(crate) struct MessageTable {
    pub(crate) name: Box<str>,
    pub(crate) form: Form,
    /// In the order of their declaration, extensions last.
    pub(crate) fields: Vec<FieldEntry>,
    pub(crate) oneofs: Vec<Box<str>>,
    /// As many as there are fields and oneofs: a bit each in a [`Seen`].
    pub(crate) bits: usize,
    pub(crate) has_required: bool,
    pub(crate) is_message_set: bool,
    by_name: Names,
    by_number: Numbers,
}

/// A compiled field.
#[derive(Debug)]
pub(crate) struct FieldEntry {
    pub(crate) kind: Kind,
    pub(crate) cardinality: Cardinality,
    /// The wire type of one value.
    pub(crate) wire_type: wire::Type,
    /// Whether it is a string without presence, the commonest field of all.
    pub(crate) is_plain_string: bool,
    /// What its record holds.
    pub(crate) content: Content,
    /// Whether `null` is a value of the field rather than its absence.
    pub(crate) null_is_value: bool,
    /// How many bytes its length had the last time, see [`FieldEntry::room`].
    room: AtomicU8,
    pub(crate) number: u32,
    pub(crate) oneof: Option<usize>,
    /// What stands in front of one value: its tag, encoded.
    pub(crate) tag: Tag,
    /// The tag of a record as encoders write it: of the packed one where the
    /// contract wants that.
    pub(crate) record_tag: u32,
    /// What stands behind one value: the end tag of a group, or nothing.
    pub(crate) end_tag: Tag,
    /// The tag of a packed record, encoded; of one value where it cannot be packed.
    pub(crate) packed_tag: Tag,
    json_key: Key,
    proto_key: Key,
    /// Whether it holds an enum whose unknown numbers are unknown fields.
    pub(crate) closed_enum: Option<EnumId>,
    pub(crate) json_name: Box<str>,
    /// What it means when it is not there, where the contract says so.
    pub(crate) default: Option<DefaultValue>,
}

impl FieldEntry {
    fn compile(schema: &Schema, field: &Field, in_message_set: bool, has_name: bool) -> Self {
        let is_extension = field.json_name().starts_with('[');
        Self {
            kind: field.kind(),
            cardinality: field.cardinality(),
            wire_type: wire::Type::of(field.kind()),
            is_plain_string: field.kind() == Kind::String
                && field.cardinality() == Cardinality::Implicit
                && field.oneof().is_none(),
            content: Content::of(schema, field),
            null_is_value: match field.kind() {
                Kind::Message(id) | Kind::Delimited(id) => {
                    schema.message(id).name() == "google.protobuf.Value"
                }
                Kind::Enum(id) => schema.enumeration(id).name() == "google.protobuf.NullValue",
                _ => false,
            },
            room: AtomicU8::new(1),
            number: field.number(),
            oneof: field.oneof(),
            tag: Tag::new(&match field.kind() {
                Kind::Message(_) if in_message_set => wire::item_start(field.number()),
                kind => wire::tag(field.number(), wire::Type::of(kind)),
            }),
            record_tag: field.number() << 3
                | match field.cardinality() {
                    Cardinality::Packed => wire::Type::Bytes,
                    _ => wire::Type::of(field.kind()),
                } as u32,
            end_tag: match field.kind() {
                Kind::Message(_) if in_message_set => {
                    Tag::new(&wire::tag(wire::ITEM, wire::Type::End))
                }
                Kind::Delimited(_) => Tag::new(&wire::tag(field.number(), wire::Type::End)),
                _ => Tag::default(),
            },
            packed_tag: Tag::new(&wire::tag(
                field.number(),
                if field.kind().is_packable() {
                    wire::Type::Bytes
                } else {
                    wire::Type::of(field.kind())
                },
            )),
            json_key: if has_name {
                Key::new(field.json_name())
            } else {
                Key::unmatched(field.json_name())
            },
            proto_key: Key::new(if is_extension {
                field.json_name()
            } else {
                field.name()
            }),
            closed_enum: match field.kind() {
                Kind::Enum(id) if schema.enumeration(id).is_closed() => Some(id),
                _ => None,
            },
            json_name: field.json_name().into(),
            default: field.default_value().cloned(),
        }
    }

    /// The key as it stands in JSON.
    #[inline(always)]
    pub(crate) fn key(&self, proto_names: bool) -> &Key {
        if proto_names {
            &self.proto_key
        } else {
            &self.json_key
        }
    }

    /// How many bytes to keep for the length of a value: as many as the last
    /// one needed. Threads may overwrite each other's guess; a wrong one costs
    /// a move of the value and nothing else.
    #[inline(always)]
    pub(crate) fn room(&self) -> u8 {
        self.room.load(Ordering::Relaxed)
    }

    /// Remembers how many bytes a length needed.
    #[inline(always)]
    pub(crate) fn set_room(&self, bytes: u8) {
        if self.room() != bytes {
            self.room.store(bytes, Ordering::Relaxed);
        }
    }
}

impl MessageTable {
    pub(crate) fn compile(schema: &Schema, message: &Message) -> Self {
        let all = || message.fields().iter().chain(message.extensions());
        // The first field of a name has it.
        let mut names = HashSet::new();
        let fields: Vec<FieldEntry> = all()
            .map(|field| {
                let has_name = names.insert(field.json_name());
                FieldEntry::compile(schema, field, message.is_message_set(), has_name)
            })
            .collect();
        // JSON names first: where a proto name equals another field's JSON
        // name, JSON's wins.
        let json_names = all().map(Field::json_name).zip(0..);
        let proto_names = message.fields().iter().map(Field::name).zip(0..);
        Self {
            name: message.name().into(),
            form: Form::of(message),
            oneofs: message.oneofs().to_vec(),
            bits: fields.len() + message.oneofs().len(),
            has_required: fields
                .iter()
                .any(|field| field.cardinality == Cardinality::Required),
            is_message_set: message.is_message_set(),
            by_name: Names::new(json_names.chain(proto_names)),
            by_number: Numbers::new(fields.iter().map(|field| field.number).zip(0..)),
            fields,
        }
    }

    /// The index of the field with this JSON or proto name.
    #[inline]
    pub(crate) fn by_name(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).map(|index| index as usize)
    }

    /// The index of the field with this number. Fields mostly come in their
    /// order, so `guess` is tried first.
    #[inline(always)]
    pub(crate) fn by_number(&self, number: u32, guess: usize) -> Option<usize> {
        if let Some(field) = self.fields.get(guess)
            && field.number == number
        {
            return Some(guess);
        }
        self.by_number.get(number).map(|index| index as usize)
    }

    /// The field that a record with this tag belongs to, in the form that
    /// encoders write or in the other one where a list has two; `None` for an
    /// unknown field.
    pub(crate) fn by_tag(&self, tag: u32, guess: usize) -> Option<usize> {
        let index = self.by_number(tag >> 3, guess)?;
        let field = &self.fields[index];
        let is_other = !field.cardinality.is_singular()
            && field.kind.is_packable()
            && (tag & 7 == wire::Type::Bytes as u32 || tag & 7 == field.wire_type as u32);
        (tag == field.record_tag || is_other).then_some(index)
    }

    /// The key and the value of the entry that a map is a list of.
    #[inline(always)]
    pub(crate) fn key_and_value(&self) -> Option<(&FieldEntry, &FieldEntry)> {
        let (key, value) = (self.by_number(1, 0)?, self.by_number(2, 1)?);
        Some((&self.fields[key], &self.fields[value]))
    }
}
