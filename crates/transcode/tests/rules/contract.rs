//! The contract of the tests, compiled once, and short ways to transcode.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Error, ReadOptions, Transcoder, WriteOptions};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos");
    let mut compiler = protox::Compiler::new([protos]).unwrap();
    compiler.include_imports(true);
    compiler
        .open_files(["kinds.proto", "legacy.proto", "old.proto", "plain.proto"])
        .unwrap();
    compiler.encode_file_descriptor_set()
});

static TRANSCODER: LazyLock<Transcoder> = LazyLock::new(|| {
    Transcoder::new(Arc::new(
        Schema::from_descriptor_sets([&**DESCRIPTORS]).unwrap(),
    ))
});

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(&**DESCRIPTORS).unwrap());

/// Ours.
pub(crate) fn transcoder() -> &'static Transcoder {
    &TRANSCODER
}

/// The full name of a type of the tests: `Tree`, `legacy.Legacy`, or a
/// `google.protobuf` type in full.
fn full_name(name: &str) -> String {
    if name.starts_with("google.") {
        name.to_owned()
    } else {
        format!("rules.{name}")
    }
}

/// A message type of ours.
pub(crate) fn message(name: &str) -> MessageId {
    transcoder()
        .schema()
        .message_by_name(&full_name(name))
        .unwrap()
}

/// The same type as prost-reflect knows it.
pub(crate) fn reflected(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&full_name(name)).unwrap()
}

pub(crate) fn read_with(name: &str, json: &[u8], options: &ReadOptions) -> Result<Vec<u8>, Error> {
    let mut wire = Vec::new();
    transcoder().json_to_wire(message(name), json, &mut wire, options)?;
    Ok(wire)
}

pub(crate) fn read(name: &str, json: &str) -> Result<Vec<u8>, Error> {
    read_with(name, json.as_bytes(), &ReadOptions::default())
}

pub(crate) fn write_with(name: &str, wire: &[u8], options: &WriteOptions) -> Result<String, Error> {
    let mut json = Vec::new();
    transcoder().wire_to_json(message(name), wire, &mut json, options)?;
    Ok(String::from_utf8(json).unwrap())
}

pub(crate) fn write(name: &str, wire: &[u8]) -> Result<String, Error> {
    write_with(name, wire, &WriteOptions::default())
}

/// From JSON to wire bytes and back.
pub(crate) fn round_trip(name: &str, json: &str) -> String {
    let wire = read(name, json).unwrap_or_else(|error| panic!("{json}: {error}"));
    // Whatever is written, the other implementation can read.
    DynamicMessage::decode(reflected(name), &*wire)
        .unwrap_or_else(|error| panic!("{json}: {error}"));
    write(name, &wire).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Checks `(message, JSON in, JSON out)`.
pub(crate) fn check_round_trips(cases: &[(&str, &str, &str)]) {
    for (name, json, expected) in cases {
        assert_eq!(round_trip(name, json), *expected, "{name} {json}");
    }
}

/// The text of the error that reading this JSON ends in.
pub(crate) fn refusal(name: &str, json: &str) -> String {
    match read(name, json) {
        Err(error) => error.to_string(),
        Ok(wire) => panic!("{name} {json} was accepted as {wire:x?}"),
    }
}

/// Checks `(message, JSON in, error)`.
pub(crate) fn check_refusals(cases: &[(&str, &str, &str)]) {
    let mut wrong = String::new();
    for (name, json, expected) in cases {
        let found = refusal(name, json);
        if found != *expected {
            wrong.push_str(&format!(
                "(\"{name}\", r#\"{json}\"#, r#\"{found}\"#), not `{expected}`\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Checks pairs of a text that was found and the text that is expected, and
/// tells of all that differ.
pub(crate) fn check_texts(pairs: &[(String, &str)]) {
    let wrong: Vec<String> = pairs
        .iter()
        .filter(|(found, expected)| found != expected)
        .map(|(found, expected)| format!("found    {found}\nexpected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Builds wire bytes by hand.
#[derive(Default)]
pub(crate) struct Wire(pub(crate) Vec<u8>);

impl Wire {
    pub(crate) fn varint(mut self, number: u32, value: u64) -> Self {
        self.put(u64::from(number) << 3);
        self.put(value);
        self
    }

    pub(crate) fn fixed32(mut self, number: u32, value: u32) -> Self {
        self.put(u64::from(number) << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn fixed64(mut self, number: u32, value: u64) -> Self {
        self.put(u64::from(number) << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, number: u32, value: impl AsRef<[u8]>) -> Self {
        self.put(u64::from(number) << 3 | 2);
        self.put(value.as_ref().len() as u64);
        self.0.extend(value.as_ref());
        self
    }

    pub(crate) fn group(mut self, number: u32, value: Self) -> Self {
        self.put(u64::from(number) << 3 | 3);
        self.0.extend(value.0);
        self.put(u64::from(number) << 3 | 4);
        self
    }

    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

impl AsRef<[u8]> for Wire {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) fn wire() -> Wire {
    Wire::default()
}
