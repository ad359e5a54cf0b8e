//! Random messages of any type, within what JSON can say.

use std::collections::HashSet;

use prost_reflect::prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};

use crate::rewrite::in_order;
use crate::{Contract, Random};

/// Makes messages of one contract.
#[derive(Debug)]
pub struct Messages {
    pool: DescriptorPool,
    closed: HashSet<String>,
    /// What an `Any` may hold.
    in_any: Vec<String>,
    /// Whether to leave out what prost-reflect cannot write.
    cautious: bool,
    /// Whether closed enums have numbers that they do not have.
    unknown_numbers: bool,
}

impl Messages {
    /// For the messages of this contract.
    #[must_use]
    pub fn new(contract: &Contract) -> Self {
        let in_any = contract.messages().into_iter().map(str::to_owned);
        Self::of_pool(contract.pool(), contract.closed_enums(), in_any)
    }

    /// For any messages: those of `pool`, with these `closed` enums, and of which
    /// `in_any` may be in an `Any`.
    #[must_use]
    pub fn of_pool(
        pool: DescriptorPool,
        closed: HashSet<String>,
        in_any: impl IntoIterator<Item = String>,
    ) -> Self {
        let well_known = [
            "Duration",
            "Struct",
            "Int64Value",
            "Any",
            "Empty",
            "FieldMask",
        ];
        let well_known = well_known.map(|name| format!("google.protobuf.{name}"));
        Self {
            pool,
            closed,
            in_any: in_any.into_iter().chain(well_known).collect(),
            cautious: false,
            unknown_numbers: false,
        }
    }

    /// Sometimes has a number that a closed enum does not have, which makes it an
    /// unknown field.
    #[must_use]
    pub fn with_unknown_numbers(mut self) -> Self {
        self.unknown_numbers = true;
        self
    }

    /// Leaves out what prost-reflect refuses to write or writes wrongly: an
    /// `Any` that holds nothing, and what is not finite in wrappers.
    #[must_use]
    pub fn for_prost_reflect(mut self) -> Self {
        self.cautious = true;
        self
    }

    /// The descriptors.
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    fn reflected(&self, name: &str) -> MessageDescriptor {
        self.pool
            .get_message_by_name(name)
            .unwrap_or_else(|| panic!("no message {name}"))
    }

    /// A message of this type, in wire format as an encoder writes it.
    #[must_use]
    pub fn wire(&self, random: &mut Random, name: &str) -> Vec<u8> {
        self.message(random, &self.reflected(name), 3)
            .encode_to_vec()
    }

    fn message(
        &self,
        random: &mut Random,
        descriptor: &MessageDescriptor,
        depth: usize,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = -62_135_596_800 + (random.bits() % 315_537_897_600) as i64;
                let seconds = random.pick(&[seconds, -1, 0, 253_402_300_799]);
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(nanos(random)));
            }
            "google.protobuf.Duration" => {
                let sign = if random.chance(2) { -1 } else { 1 };
                let seconds = random.bits() % 315_576_000_000;
                let seconds = random.pick(&[seconds as i64, 0, 1, 315_576_000_000]);
                let whole = seconds == 315_576_000_000;
                let nanos = if whole {
                    0
                } else {
                    nanos(random) * sign as i32
                };
                message.set_field_by_name("seconds", Value::I64(seconds * sign));
                message.set_field_by_name("nanos", Value::I32(nanos));
            }
            "google.protobuf.FieldMask" => {
                let paths = (0..random.below(4)).map(|_| {
                    let path = random.pick(&["a", "foo_bar", "foo.bar_baz", "x1", "a_b_c.d_e"]);
                    Value::String(path.to_owned())
                });
                message.set_field_by_name("paths", Value::List(paths.collect()));
            }
            "google.protobuf.Any" => self.any(random, &mut message, depth),
            "google.protobuf.Value" => self.dynamic_value(random, &mut message, depth),
            "google.protobuf.DoubleValue" if self.cautious => {
                message.set_field_by_name("value", Value::F64(random.integer() as f64 / 8.0));
            }
            "google.protobuf.FloatValue" if self.cautious => {
                message.set_field_by_name("value", Value::F32(random.integer() as f32 / 8.0));
            }
            _ => self.fields(random, &mut message, depth),
        }
        message
    }

    fn any(&self, random: &mut Random, message: &mut DynamicMessage, depth: usize) {
        // An empty one holds nothing.
        if !self.cautious && random.chance(6) {
            return;
        }
        let name = if depth == 0 {
            "google.protobuf.Duration"
        } else {
            &self.in_any[random.below(self.in_any.len())]
        };
        let inner = self.message(random, &self.reflected(name), depth.saturating_sub(1));
        let host = random.pick(&["type.googleapis.com", "example.com/types", ""]);
        message.set_field_by_name("type_url", Value::String(format!("{host}/{name}")));
        let wire = in_order(&inner.descriptor(), &inner.encode_to_vec());
        message.set_field_by_name("value", Value::Bytes(wire.into()));
    }

    fn dynamic_value(&self, random: &mut Random, message: &mut DynamicMessage, depth: usize) {
        let kinds = if depth == 0 { 4 } else { 6 };
        let inner = |random: &mut Random, name: &str| {
            Value::Message(self.message(random, &self.reflected(name), depth.saturating_sub(1)))
        };
        let (name, value) = match random.below(kinds) {
            0 => ("null_value", Value::EnumNumber(0)),
            1 => {
                // JSON has no other numbers in a value.
                let number = random.double();
                let number = if number.is_finite() { number } else { 1.0 };
                ("number_value", Value::F64(number))
            }
            2 => ("string_value", Value::String(random.string())),
            3 => ("bool_value", Value::Bool(random.chance(2))),
            4 => ("struct_value", inner(random, "google.protobuf.Struct")),
            _ => ("list_value", inner(random, "google.protobuf.ListValue")),
        };
        message.set_field_by_name(name, value);
    }

    fn fields(&self, random: &mut Random, message: &mut DynamicMessage, depth: usize) {
        let descriptor = message.descriptor();
        let rarely = if descriptor.fields().len() > 12 { 4 } else { 2 };
        let goes_on = |kind: &Kind| depth > 0 || !matches!(kind, Kind::Message(_));
        for field in descriptor.fields() {
            let required = field.cardinality() == Cardinality::Required;
            let chosen = random.chance(rarely) && goes_on(&value_kind(&field));
            if required || chosen {
                let value = self.field(random, &field, depth.saturating_sub(1));
                message.set_field(&field, value);
            }
        }
        for extension in descriptor.extensions() {
            if random.chance(2) && goes_on(&extension.kind()) {
                let mut value = || self.value(random, &extension.kind(), depth.saturating_sub(1));
                let value = if extension.is_list() {
                    Value::List(vec![value(), value()])
                } else {
                    value()
                };
                message.set_extension(&extension, value);
            }
        }
    }

    fn field(&self, random: &mut Random, field: &FieldDescriptor, depth: usize) -> Value {
        let count = random.below(4);
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let (key, value) = (
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            );
            let mut entry = || (self.key(random, &key), self.value(random, &value, depth));
            return Value::Map((0..count).map(|_| entry()).collect());
        }
        if field.is_list() {
            let mut value = || self.value(random, &field.kind(), depth);
            return Value::List((0..count).map(|_| value()).collect());
        }
        self.value(random, &field.kind(), depth)
    }

    fn key(&self, random: &mut Random, kind: &Kind) -> MapKey {
        match self.value(random, kind, 0) {
            Value::Bool(value) => MapKey::Bool(value),
            Value::I32(value) => MapKey::I32(value),
            Value::I64(value) => MapKey::I64(value),
            Value::U32(value) => MapKey::U32(value),
            Value::U64(value) => MapKey::U64(value),
            Value::String(value) => MapKey::String(value),
            other => unreachable!("{other:?} is no key"),
        }
    }

    fn value(&self, random: &mut Random, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Double => Value::F64(random.double()),
            Kind::Float => Value::F32(random.float()),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(random.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(random.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(random.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(random.integer() as u64),
            Kind::Bool => Value::Bool(random.chance(2)),
            Kind::String => Value::String(random.string()),
            Kind::Bytes => Value::Bytes(random.bytes().into()),
            Kind::Message(descriptor) => Value::Message(self.message(random, descriptor, depth)),
            Kind::Enum(descriptor) => {
                let is_null = descriptor.full_name() == "google.protobuf.NullValue";
                let closed = self.closed.contains(descriptor.full_name());
                if !is_null && (self.unknown_numbers || !closed) && random.chance(5) {
                    return Value::EnumNumber(random.integer() as i32);
                }
                let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
                Value::EnumNumber(random.pick(&values))
            }
        }
    }
}

fn nanos(random: &mut Random) -> i32 {
    match random.below(4) {
        0 => 0,
        1 => random.below(1000) as i32 * 1_000_000,
        2 => random.below(1_000_000) as i32 * 1000,
        _ => random.below(1_000_000_000) as i32,
    }
}

/// What a field holds, looking into maps.
fn value_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}
