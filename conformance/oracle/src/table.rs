//! What is compiled once per message type: for each field its tag and its JSON
//! key ready to copy, and the ways from a name or a number to the field.

use std::collections::HashMap;

use portolan_schema::{Cardinality, DefaultValue, Enum, EnumId, Field, Kind, Message, Schema};

use crate::wire;

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

/// A compiled message type.
#[derive(Debug)]
pub(crate) struct MessageTable {
    pub(crate) name: Box<str>,
    pub(crate) form: Form,
    pub(crate) fields: Vec<FieldEntry>,
    pub(crate) oneofs: Vec<Box<str>>,
    pub(crate) has_required: bool,
    pub(crate) is_message_set: bool,
    by_name: HashMap<Box<str>, u32>,
    /// Sorted by number.
    by_number: Vec<(u32, u32)>,
}

/// A compiled field.
#[derive(Debug)]
pub(crate) struct FieldEntry {
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) cardinality: Cardinality,
    pub(crate) oneof: Option<usize>,
    pub(crate) json_name: Box<str>,
    /// `"jsonName":`
    json_key: Box<str>,
    /// `"proto_name":`
    proto_key: Box<str>,
    /// What stands in front of one value: its tag, encoded.
    pub(crate) tag: Box<[u8]>,
    /// What stands behind one value: the end tag of a group, or nothing.
    pub(crate) end_tag: Box<[u8]>,
    /// The tag of a packed record, encoded; of one value where it cannot be packed.
    pub(crate) packed_tag: Box<[u8]>,
    /// Whether `null` is a value of the field rather than its absence.
    pub(crate) null_is_value: bool,
    /// Whether it holds an enum whose unknown numbers are unknown fields.
    pub(crate) closed_enum: Option<EnumId>,
    /// What it means when it is not there, where the contract says so.
    pub(crate) default: Option<DefaultValue>,
}

impl FieldEntry {
    fn compile(schema: &Schema, field: &Field, in_message_set: bool) -> Self {
        let key = |name: &str| {
            let mut key = Vec::with_capacity(name.len() + 3);
            crate::write::string(&mut key, name);
            key.push(b':');
            String::from_utf8(key)
                .expect("a JSON string of a name is UTF-8")
                .into_boxed_str()
        };
        let (json_key, proto_key) = if field.json_name().starts_with('[') {
            (key(field.json_name()), key(field.json_name()))
        } else {
            (key(field.json_name()), key(field.name()))
        };
        Self {
            number: field.number(),
            kind: field.kind(),
            cardinality: field.cardinality(),
            oneof: field.oneof(),
            json_name: field.json_name().into(),
            json_key,
            proto_key,
            tag: match field.kind() {
                Kind::Message(_) if in_message_set => wire::item_start(field.number()),
                kind => wire::tag(field.number(), wire::Type::of(kind)),
            },
            end_tag: match field.kind() {
                Kind::Message(_) if in_message_set => wire::tag(wire::ITEM, wire::Type::End),
                Kind::Delimited(_) => wire::tag(field.number(), wire::Type::End),
                _ => Box::default(),
            },
            packed_tag: wire::tag(
                field.number(),
                if field.kind().is_packable() {
                    wire::Type::Bytes
                } else {
                    wire::Type::of(field.kind())
                },
            ),
            null_is_value: match field.kind() {
                Kind::Message(id) | Kind::Delimited(id) => {
                    schema.message(id).name() == "google.protobuf.Value"
                }
                Kind::Enum(id) => schema.enumeration(id).name() == "google.protobuf.NullValue",
                _ => false,
            },
            closed_enum: match field.kind() {
                Kind::Enum(id) if schema.enumeration(id).is_closed() => Some(id),
                _ => None,
            },
            default: field.default_value().cloned(),
        }
    }

    /// The key as it stands in JSON, with its colon.
    pub(crate) fn key(&self, proto_names: bool) -> &str {
        if proto_names {
            &self.proto_key
        } else {
            &self.json_key
        }
    }
}

impl MessageTable {
    pub(crate) fn compile(schema: &Schema, message: &Message) -> Self {
        let all = || message.fields().iter().chain(message.extensions());
        let fields: Vec<FieldEntry> = all()
            .map(|field| FieldEntry::compile(schema, field, message.is_message_set()))
            .collect();
        let mut by_name = HashMap::with_capacity(fields.len() * 2);
        // JSON names first: where a proto name equals another field's JSON
        // name, JSON's wins.
        for (index, field) in (0..).zip(all()) {
            by_name.entry(field.json_name().into()).or_insert(index);
        }
        for (index, field) in (0..).zip(message.fields()) {
            by_name.entry(field.name().into()).or_insert(index);
        }
        let mut by_number: Vec<(u32, u32)> = (0..)
            .zip(&fields)
            .map(|(index, field)| (field.number, index))
            .collect();
        by_number.sort_unstable();
        Self {
            name: message.name().into(),
            form: Form::of(message),
            oneofs: message.oneofs().to_vec(),
            has_required: fields
                .iter()
                .any(|field| field.cardinality == Cardinality::Required),
            is_message_set: message.is_message_set(),
            fields,
            by_name,
            by_number,
        }
    }

    /// The index of the field with this JSON or proto name. Fields mostly come
    /// in their order, so `guess` is tried first.
    pub(crate) fn by_name(&self, name: &str, guess: usize) -> Option<usize> {
        if let Some(field) = self.fields.get(guess)
            && &*field.json_name == name
        {
            return Some(guess);
        }
        self.by_name.get(name).map(|index| *index as usize)
    }

    /// The index of the field with this number; `guess` is tried first.
    pub(crate) fn by_number(&self, number: u32, guess: usize) -> Option<usize> {
        if let Some(field) = self.fields.get(guess)
            && field.number == number
        {
            return Some(guess);
        }
        let position = self
            .by_number
            .binary_search_by_key(&number, |entry| entry.0)
            .ok()?;
        Some(self.by_number[position].1 as usize)
    }
}

/// A compiled enum type.
#[derive(Debug)]
pub(crate) struct EnumTable {
    by_name: HashMap<Box<str>, i32>,
    /// Sorted by number, the first name of each.
    by_number: Vec<(i32, Box<str>)>,
}

impl EnumTable {
    pub(crate) fn compile(enumeration: &Enum) -> Self {
        let values = enumeration.values();
        let mut by_number: Vec<(i32, Box<str>)> = values
            .iter()
            .map(|value| (value.number(), value.name().into()))
            .collect();
        // Stable, so that of several aliases the first stays first.
        by_number.sort_by_key(|value| value.0);
        by_number.dedup_by_key(|value| value.0);
        Self {
            by_name: values
                .iter()
                .map(|value| (value.name().into(), value.number()))
                .collect(),
            by_number,
        }
    }

    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        let position = self
            .by_number
            .binary_search_by_key(&number, |value| value.0)
            .ok()?;
        Some(&self.by_number[position].1)
    }
}

/// Which fields and oneofs of a message were there. Small messages need no
/// allocation.
pub(crate) struct Seen {
    small: [u64; 4],
    large: Vec<u64>,
}

impl Seen {
    pub(crate) fn new(bits: usize) -> Self {
        let large = if bits > 256 {
            vec![0; bits.div_ceil(64)]
        } else {
            Vec::new()
        };
        Self {
            small: [0; 4],
            large,
        }
    }

    /// For the fields and the oneofs of a message.
    pub(crate) fn of(table: &MessageTable) -> Self {
        Self::new(table.fields.len() + table.oneofs.len())
    }

    fn words(&mut self) -> &mut [u64] {
        if self.large.is_empty() {
            &mut self.small
        } else {
            &mut self.large
        }
    }

    /// Marks a bit; whether it was marked before.
    pub(crate) fn mark(&mut self, bit: usize) -> bool {
        let word = &mut self.words()[bit / 64];
        let mask = 1 << (bit % 64);
        let before = *word & mask != 0;
        *word |= mask;
        before
    }

    pub(crate) fn has(&self, bit: usize) -> bool {
        let words = if self.large.is_empty() {
            &self.small[..]
        } else {
            &self.large
        };
        words[bit / 64] & (1 << (bit % 64)) != 0
    }
}
