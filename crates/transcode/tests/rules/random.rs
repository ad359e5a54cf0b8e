//! Random messages of any type, within what JSON can say.

use prost_reflect::prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::contract::reflected;

/// A small generator (SplitMix64): its whole state is one seed, so that a
/// failing case is one number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Integers near the edges as often as any.
    fn integer(&mut self) -> i64 {
        match self.below(4) {
            0 => self.pick(&[
                0,
                1,
                -1,
                127,
                128,
                i64::MIN,
                i64::MAX,
                i64::from(i32::MIN),
                i64::from(i32::MAX),
                u32::MAX.into(),
            ]),
            1 => self.bits() as i64 % 1000,
            2 => self.bits() as i32 as i64,
            _ => self.bits() as i64,
        }
    }

    fn double(&mut self) -> f64 {
        match self.below(4) {
            0 => self.pick(&[
                0.0,
                -0.0,
                1.0,
                -1.5,
                0.1,
                1e21,
                1e-7,
                5e-324,
                f64::MAX,
                f64::MIN_POSITIVE,
                9_007_199_254_740_993.0,
            ]),
            1 => (self.integer() as f64) / 1000.0,
            2 => self.bits() as i32 as f64,
            _ => f64::from_bits(self.bits()),
        }
    }

    pub(crate) fn string(&mut self) -> String {
        const CHARACTERS: &[char] = &[
            'a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\t', '\0', '\u{1f}', '\u{7f}', 'é', '€',
            '\u{2028}', '😀', '\u{ffff}',
        ];
        let length = if self.chance(8) {
            self.below(300)
        } else {
            self.below(10)
        };
        (0..length)
            .map(|_| {
                if self.chance(2) {
                    'x'
                } else {
                    self.pick(CHARACTERS)
                }
            })
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(20);
        (0..length).map(|_| self.bits() as u8).collect()
    }

    /// A message of this type.
    pub(crate) fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        depth: usize,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = -62_135_596_800 + (self.bits() % 315_537_897_600) as i64;
                message.set_field_by_name("seconds", Value::I64(seconds));
                let nanos = self.nanos();
                message.set_field_by_name("nanos", Value::I32(nanos));
            }
            "google.protobuf.Duration" => {
                let sign = if self.chance(2) { -1 } else { 1 };
                let seconds = if self.chance(3) {
                    0
                } else {
                    self.bits() % 315_576_000_000
                };
                message.set_field_by_name("seconds", Value::I64(seconds as i64 * sign));
                let nanos = self.nanos();
                message.set_field_by_name("nanos", Value::I32(nanos * sign as i32));
            }
            "google.protobuf.FieldMask" => {
                let count = self.below(4);
                let paths = (0..count).map(|_| {
                    Value::String(self.pick(&["a", "foo_bar", "foo.bar_baz", "x1"]).to_owned())
                });
                message.set_field_by_name("paths", Value::List(paths.collect()));
            }
            "google.protobuf.Any" => {
                let name = self.pick(&[
                    "Inner",
                    "Lists",
                    "google.protobuf.Duration",
                    "google.protobuf.Struct",
                    "google.protobuf.Int64Value",
                    "google.protobuf.Any",
                ]);
                let inner = if depth == 0 {
                    reflected("Inner")
                } else {
                    reflected(name)
                };
                let inner = self.message(&inner, depth.saturating_sub(1));
                let url = format!("type.googleapis.com/{}", inner.descriptor().full_name());
                message.set_field_by_name("type_url", Value::String(url));
                message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
            }
            "google.protobuf.Value" => self.dynamic_value(&mut message, depth),
            // prost-reflect writes what is not finite as null in a wrapper.
            "google.protobuf.DoubleValue" => {
                let number = self.double();
                message.set_field_by_name(
                    "value",
                    Value::F64(if number.is_finite() { number } else { 0.5 }),
                );
            }
            "google.protobuf.FloatValue" => {
                let number = f32::from_bits(self.bits() as u32);
                message.set_field_by_name(
                    "value",
                    Value::F32(if number.is_finite() { number } else { 0.5 }),
                );
            }
            _ => self.fields(&mut message, depth),
        }
        message
    }

    fn nanos(&mut self) -> i32 {
        match self.below(4) {
            0 => 0,
            1 => self.below(1000) as i32 * 1_000_000,
            2 => self.below(1_000_000) as i32 * 1000,
            _ => self.below(1_000_000_000) as i32,
        }
    }

    fn dynamic_value(&mut self, message: &mut DynamicMessage, depth: usize) {
        let kinds = if depth == 0 { 4 } else { 6 };
        let (name, value) = match self.below(kinds) {
            0 => ("null_value", Value::EnumNumber(0)),
            1 => {
                let number = self.double();
                (
                    "number_value",
                    Value::F64(if number.is_finite() { number } else { 1.0 }),
                )
            }
            2 => ("string_value", Value::String(self.string())),
            3 => ("bool_value", Value::Bool(self.chance(2))),
            4 => (
                "struct_value",
                Value::Message(self.message(&reflected("google.protobuf.Struct"), depth - 1)),
            ),
            _ => (
                "list_value",
                Value::Message(self.message(&reflected("google.protobuf.ListValue"), depth - 1)),
            ),
        };
        message.set_field_by_name(name, value);
    }

    fn fields(&mut self, message: &mut DynamicMessage, depth: usize) {
        let descriptor = message.descriptor();
        let rarely = if descriptor.fields().len() > 3 { 3 } else { 2 };
        for field in descriptor.fields() {
            let required = field.cardinality() == prost_reflect::Cardinality::Required;
            if !required && (!self.chance(rarely) || (depth == 0 && is_message(&field))) {
                continue;
            }
            let value = self.field(&field, depth.saturating_sub(1));
            message.set_field(&field, value);
        }
        for extension in descriptor.extensions() {
            if self.chance(3) && (depth > 0 || !matches!(extension.kind(), Kind::Message(_))) {
                let value = if extension.is_list() {
                    Value::List(vec![self.value(&extension.kind(), depth.saturating_sub(1))])
                } else {
                    self.value(&extension.kind(), depth.saturating_sub(1))
                };
                message.set_extension(&extension, value);
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let count = self.below(4);
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                unreachable!()
            };
            let (key, value) = (
                entry.map_entry_key_field().kind(),
                entry.map_entry_value_field().kind(),
            );
            return Value::Map(
                (0..count)
                    .map(|_| (self.key(&key), self.value(&value, depth)))
                    .collect(),
            );
        }
        if field.is_list() {
            return Value::List(
                (0..count)
                    .map(|_| self.value(&field.kind(), depth))
                    .collect(),
            );
        }
        self.value(&field.kind(), depth)
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(value) => MapKey::Bool(value),
            Value::I32(value) => MapKey::I32(value),
            Value::I64(value) => MapKey::I64(value),
            Value::U32(value) => MapKey::U32(value),
            Value::U64(value) => MapKey::U64(value),
            Value::String(value) => MapKey::String(value),
            other => unreachable!("{other:?} is no key"),
        }
    }

    fn value(&mut self, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Double => Value::F64(self.double()),
            Kind::Float => Value::F32(if self.chance(2) {
                self.double() as f32
            } else {
                f32::from_bits(self.bits() as u32)
            }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.chance(2)),
            Kind::String => Value::String(self.string()),
            Kind::Bytes => Value::Bytes(self.bytes().into()),
            Kind::Message(descriptor) => Value::Message(self.message(descriptor, depth)),
            Kind::Enum(descriptor) => {
                let closed = descriptor.full_name() == "rules.legacy.Closed"
                    || descriptor.full_name() == "google.protobuf.NullValue";
                if !closed && self.chance(5) {
                    return Value::EnumNumber(self.integer() as i32);
                }
                let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
                Value::EnumNumber(self.pick(&values))
            }
        }
    }
}

fn is_message(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            matches!(entry.map_entry_value_field().kind(), Kind::Message(_))
        }
        Kind::Message(_) => true,
        _ => false,
    }
}
