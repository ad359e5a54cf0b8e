//! What is compared: one function for each way a message can go.

use portolan_transcode::{PrintDefaults, WriteOptions};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Map, Value};

use crate::explained;
use crate::world::{World, their_write};

/// The same message becomes the same JSON, whatever the options.
pub(crate) fn written(world: &World, name: &str, wire: &[u8]) {
    let message = world.decode(name, wire);
    for choice in 0..4_u8 {
        let (other_names, defaults) = (choice & 1 != 0, choice & 2 != 0);
        let theirs = SerializeOptions::new()
            .use_proto_field_name(other_names)
            .use_enum_numbers(other_names)
            .skip_default_fields(!defaults);
        let theirs = their_write(&message, &theirs).unwrap();
        let options = WriteOptions {
            proto_names: other_names,
            enums_as_numbers: other_names,
            print_defaults: if defaults {
                PrintDefaults::WithoutPresence
            } else {
                PrintDefaults::No
            },
            indent: (choice == 3).then_some(2),
            ..WriteOptions::default()
        };
        let ours = write(world, name, wire, &options);
        if let Some(difference) = difference(&parsed(&ours), &parsed(&theirs), "$") {
            panic!(
                "{} {name} {options:?}: {difference}\nours   {ours}\ntheirs {theirs}",
                world.place
            );
        }
    }
}

/// Other bytes of the same message become the same JSON.
pub(crate) fn rewritten(world: &World, name: &str, wire: &[u8], other: &[u8]) {
    let options = WriteOptions::default();
    let (first, second) = (
        write(world, name, wire, &options),
        write(world, name, other, &options),
    );
    if let Some(difference) = difference(&parsed(&second), &parsed(&first), "$") {
        panic!(
            "{} {name}: {difference}\n{wire:02x?} {first}\n{other:02x?} {second}",
            world.place
        );
    }
}

/// What either writes we read as the message it was; gives the JSON.
pub(crate) fn read_back(world: &World, name: &str, wire: &[u8]) -> String {
    let message = world.decode(name, wire);
    let ours = write(world, name, wire, &WriteOptions::default());
    let proto_names = SerializeOptions::new().use_proto_field_name(true);
    let theirs = their_write(&message, &proto_names).unwrap();
    for json in [&ours, &theirs] {
        let back = world
            .read(name, json.as_bytes())
            .unwrap_or_else(|error| panic!("{} {name}: {error}\n{json}", world.place));
        let back = world.decode(name, &back);
        assert!(
            same(&back, &message),
            "{} {name}\n{json}\nback   {back}\nbefore {message}",
            world.place
        );
    }
    ours
}

/// Any text is taken by both, for the same message, or refused by both.
pub(crate) fn read(world: &World, name: &str, json: &[u8]) {
    let (ours, theirs) = (world.read(name, json), world.their_read(name, json));
    let shown = || format!("{} {name}\n{}", world.place, String::from_utf8_lossy(json));
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let ours = world.decode(name, &ours);
            assert!(
                same(&ours, &theirs) || explained::other_message(&value(&ours), &value(&theirs)),
                "{}\nours   {ours}\ntheirs {theirs}",
                shown()
            );
        }
        (Ok(wire), Err(error)) => assert!(
            explained::refused_by_theirs(&error.to_string()),
            "{}\nwe take it for {}\nthey refuse it: {error}",
            shown(),
            world.decode(name, &wire)
        ),
        (Err(error), Ok(theirs)) => assert!(
            explained::refused_by_us(&error),
            "{}\nwe refuse it: {error} ({:?})\nthey take it for {theirs}",
            shown(),
            error.problem()
        ),
        (Err(_), Err(_)) => {}
    }
}

/// A message as a value in JSON.
fn value(message: &DynamicMessage) -> Value {
    let json = their_write(message, &SerializeOptions::new()).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn write(world: &World, name: &str, wire: &[u8], options: &WriteOptions) -> String {
    world
        .write(name, wire, options)
        .unwrap_or_else(|error| panic!("{} {name}: {error}\n{wire:02x?}", world.place))
}

/// JSON as a value, in which numbers are numbers whatever their spelling.
fn parsed(json: &str) -> Value {
    let mut value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    normal(&mut value);
    value
}

fn normal(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().unwrap();
            *value = serde_json::json!({ "number": double.to_bits() });
        }
        Value::Array(values) => values.iter_mut().for_each(normal),
        Value::Object(members) => {
            explained::empty_in_any(members);
            explained::empty_extensions(members);
            members.values_mut().for_each(normal);
        }
        _ => {}
    }
}

/// Whether two messages are the same; NaN is itself here, whichever its bits.
fn same(left: &DynamicMessage, right: &DynamicMessage) -> bool {
    left == right || {
        let options = SerializeOptions::new();
        match (their_write(left, &options), their_write(right, &options)) {
            (Ok(left), Ok(right)) => parsed(&left) == parsed(&right),
            _ => left.to_string() == right.to_string(),
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
        (Value::Object(left), Value::Object(right)) => {
            let only = |one: &Map<String, Value>, other: &Map<String, Value>| {
                let names = one.keys().filter(|name| !other.contains_key(*name));
                names.cloned().collect::<Vec<String>>()
            };
            let (ours, theirs) = (only(left, right), only(right, left));
            Some(format!(
                "{path}: only ours {ours:?}, only theirs {theirs:?}"
            ))
        }
        _ => (left != right).then(|| format!("{path}: {left} is not {right}")),
    }
}
