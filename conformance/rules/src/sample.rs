//! Values for fields, as text in a path or a query and as the message should
//! have them. Text has everything in it that must be escaped.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

/// What need not be escaped (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Text as a client writes it into one segment or a query.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// A value of a field, as its text and as itself; `None` where text cannot fill
/// the field. `words` is the text for a string.
pub(crate) fn of(field: &FieldDescriptor, words: &str) -> Option<(String, Value)> {
    let pair = |text: &str, value| Some((text.to_owned(), value));
    match field.kind() {
        Kind::String => pair(words, Value::String(words.to_owned())),
        Kind::Bytes => pair("-_8", Value::Bytes(vec![0xfb, 0xff].into())),
        Kind::Bool => pair("true", Value::Bool(true)),
        Kind::Double => pair("-1.5e3", Value::F64(-1500.0)),
        Kind::Float => pair("0.25", Value::F32(0.25)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => pair("-2147483648", Value::I32(i32::MIN)),
        Kind::Uint32 | Kind::Fixed32 => pair("4294967295", Value::U32(u32::MAX)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            pair("-9007199254740993", Value::I64(-9_007_199_254_740_993))
        }
        Kind::Uint64 | Kind::Fixed64 => pair("18446744073709551615", Value::U64(u64::MAX)),
        Kind::Enum(kind) => {
            let value = kind.values().last()?;
            pair(value.name(), Value::EnumNumber(value.number()))
        }
        Kind::Message(message) => {
            let mut value = DynamicMessage::new(message.clone());
            let text = match message.full_name() {
                "google.protobuf.Timestamp" => {
                    value.set_field_by_number(1, Value::I64(951_782_400));
                    value.set_field_by_number(2, Value::I32(500_000_000));
                    "2000-02-29T00:00:00.5Z"
                }
                "google.protobuf.Duration" => {
                    value.set_field_by_number(1, Value::I64(-3));
                    value.set_field_by_number(2, Value::I32(-500_000_000));
                    "-3.5s"
                }
                "google.protobuf.FieldMask" => {
                    let paths = ["a_b", "c.d_e"].map(|path| Value::String(path.to_owned()));
                    value.set_field_by_number(1, Value::List(paths.into()));
                    "aB,c.dE"
                }
                name if is_wrapper(name) => {
                    let inner = message.get_field(1)?;
                    let (text, inner) = of(&inner, words)?;
                    value.set_field_by_number(1, inner);
                    return Some((text, Value::Message(value)));
                }
                _ => return None,
            };
            pair(text, Value::Message(value))
        }
    }
}

fn is_wrapper(name: &str) -> bool {
    name.strip_prefix("google.protobuf.").is_some_and(|name| {
        name.ends_with("Value")
            && !matches!(name, "Value" | "ListValue" | "NullValue" | "EnumValue")
    })
}

/// Fills some fields of a message but those that `skip` names, and gives the
/// parameters that say so. A mask is always among them, since a gateway makes
/// one up for an update without.
pub(crate) fn fill(
    message: &mut DynamicMessage,
    skip: &[u32],
    depth: usize,
) -> Vec<(String, String)> {
    const MOST: usize = 4;
    let mut fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
    fields.sort_by_key(|field| field.name() != "update_mask");
    let mut oneofs: BTreeMap<String, ()> = message
        .descriptor()
        .fields()
        .filter(|field| skip.contains(&field.number()))
        .filter_map(|field| Some((field.containing_oneof()?.name().to_owned(), ())))
        .collect();
    let mut parameters = Vec::new();
    for field in fields {
        if parameters.len() >= MOST {
            break;
        }
        let oneof = field
            .containing_oneof()
            .map(|oneof| oneof.name().to_owned());
        let taken = oneof
            .as_ref()
            .is_some_and(|oneof| oneofs.contains_key(oneof));
        if skip.contains(&field.number())
            || taken
            || field.cardinality() == Cardinality::Required && depth > 0
        {
            continue;
        }
        let name = field.json_name().to_owned();
        let filled = if field.is_map() {
            fill_map(message, &field)
        } else if let Some((text, value)) = of(&field, "w&=+%/é ü") {
            if field.is_list() {
                message.set_field(&field, Value::List(vec![value.clone(), value]));
                vec![(name.clone(), text.clone()), (name, text)]
            } else {
                message.set_field(&field, value);
                vec![(name, text)]
            }
        } else if field.is_list() || depth > 1 {
            Vec::new()
        } else {
            fill_inside(message, &field, depth)
        };
        if !filled.is_empty() {
            oneofs.extend(oneof.map(|oneof| (oneof, ())));
            parameters.extend(filled);
        }
    }
    parameters
}

fn fill_map(message: &mut DynamicMessage, field: &FieldDescriptor) -> Vec<(String, String)> {
    let Kind::Message(entry) = field.kind() else {
        return Vec::new();
    };
    let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
    if key.kind() != Kind::String {
        return Vec::new();
    }
    let Some((text, value)) = of(&value, "v") else {
        return Vec::new();
    };
    let key = "k.1 é".to_owned();
    let parameter = format!("{}[{key}]", field.json_name());
    let map = [(prost_reflect::MapKey::String(key), value)].into();
    message.set_field(field, Value::Map(map));
    vec![(parameter, text)]
}

/// Fields of a message inside, as `outer.inner=x`.
fn fill_inside(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    depth: usize,
) -> Vec<(String, String)> {
    let Kind::Message(kind) = field.kind() else {
        return Vec::new();
    };
    // Those of protobuf's own types that have no fields in JSON.
    if kind.full_name().starts_with("google.protobuf.") {
        return Vec::new();
    }
    let mut inner = DynamicMessage::new(kind);
    let mut parameters = fill(&mut inner, &[], depth + 1);
    for (name, _) in &mut parameters {
        *name = format!("{}.{name}", field.json_name());
    }
    if !parameters.is_empty() {
        message.set_field(field, Value::Message(inner));
    }
    parameters
}
