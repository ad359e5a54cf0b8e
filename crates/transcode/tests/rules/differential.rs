//! The same messages through prost-reflect: what both write must be equal, and
//! what one writes the other must read.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost_reflect::prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::contract::{read, reflected, write_with};
use crate::random::Random;
use portolan_transcode::WriteOptions;

/// The types at the top; together they reach every field of the tests.
pub(crate) const TYPES: [&str; 10] = [
    "Scalars",
    "Optionals",
    "Lists",
    "Maps",
    "Choice",
    "Tree",
    "WellKnown",
    "Outer",
    "legacy.Legacy",
    "legacy.Needy",
];

pub(crate) fn to_json(
    message: &DynamicMessage,
    options: &SerializeOptions,
) -> Result<String, serde_json::Error> {
    let mut json = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut json, options)?;
    Ok(String::from_utf8(json.into_inner()).unwrap())
}

pub(crate) fn from_json(name: &str, json: &[u8]) -> Result<DynamicMessage, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize_with_options(
        reflected(name),
        &mut reader,
        &DeserializeOptions::new(),
    )?;
    reader.end()?;
    Ok(message)
}

/// Numbers are compared as numbers, whatever their spelling; prost-reflect
/// writes an Empty in an Any as a value, C++ and we as a message.
pub(crate) fn normal(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().unwrap();
            *value = serde_json::json!({ "number": double.to_bits() });
        }
        Value::Array(values) => values.iter_mut().for_each(normal),
        Value::Object(members) => {
            if members
                .get("@type")
                .and_then(Value::as_str)
                .is_some_and(|name| name.ends_with("/google.protobuf.Empty"))
            {
                members.remove("value");
            }
            members.values_mut().for_each(normal);
        }
        _ => {}
    }
}

pub(crate) fn parsed(json: &str) -> Value {
    let mut value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    normal(&mut value);
    value
}

/// Whether two messages are the same; NaN is itself here, whichever its bits.
pub(crate) fn same(left: &DynamicMessage, right: &DynamicMessage) -> bool {
    left == right || left.to_string() == right.to_string() || {
        let options = SerializeOptions::new();
        match (to_json(left, &options), to_json(right, &options)) {
            (Ok(left), Ok(right)) => parsed(&left) == parsed(&right),
            _ => false,
        }
    }
}

/// Where two JSON values differ first, ours and theirs.
fn difference(left: &Value, right: &Value, path: &str) -> Option<String> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => left
            .iter()
            .find_map(|(name, value)| difference(value, &right[name], &format!("{path}.{name}"))),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .find_map(|(left, right)| difference(left, right, path)),
        _ => (left != right).then(|| format!("{path}: {left} is not {right}")),
    }
}

fn compare(name: &str, seed: u64) {
    let bytes = Random(seed).message(&reflected(name), 4).encode_to_vec();
    // Encoded first, since prost drops a -0.0 from a map entry.
    let message = DynamicMessage::decode(reflected(name), &*bytes).unwrap();
    for (proto_names, enums_as_numbers) in [(false, false), (true, true)] {
        let theirs = SerializeOptions::new()
            .use_proto_field_name(proto_names)
            .use_enum_numbers(enums_as_numbers);
        let theirs = to_json(&message, &theirs).unwrap();
        for indent in [None, Some(2)] {
            let options = WriteOptions {
                proto_names,
                enums_as_numbers,
                indent,
                ..WriteOptions::default()
            };
            let ours = write_with(name, &bytes, &options).unwrap();
            if let Some(difference) = difference(&parsed(&ours), &parsed(&theirs), "$") {
                panic!("{name} seed {seed}: {difference}");
            }
        }
        let wire = read(name, &theirs)
            .unwrap_or_else(|error| panic!("{name} seed {seed}: {error}\n{theirs}"));
        let back = DynamicMessage::decode(reflected(name), &*wire).unwrap();
        assert!(
            same(&back, &message),
            "{name} seed {seed}\n{theirs}\nback   {back}\nbefore {message}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_messages_agree(seed: u64) {
        for name in TYPES {
            compare(name, seed);
        }
    }

    #[test]
    fn numbers_are_read_and_written_exactly(bits: u64) {
        let double = f64::from_bits(bits);
        let float = f32::from_bits(bits as u32);
        if double.is_finite() && float.is_finite() {
            let json = format!(r#"{{"doubleValue":{double:?},"floatValue":{float:?},"int64Value":{}}}"#, bits as i64);
            let wire = read("Optionals", &json).unwrap();
            let back = DynamicMessage::decode(reflected("Optionals"), &*wire).unwrap();
            prop_assert_eq!(back.get_field_by_name("double_value").unwrap().as_f64().unwrap().to_bits(), bits);
            prop_assert_eq!(back.get_field_by_name("float_value").unwrap().as_f32().unwrap().to_bits(), bits as u32);
            prop_assert_eq!(back.get_field_by_name("int64_value").unwrap().as_i64().unwrap(), bits as i64);
            let ours = write_with("Optionals", &wire, &WriteOptions::default()).unwrap();
            prop_assert_eq!(read("Optionals", &ours).unwrap(), wire);
        }
    }
}
