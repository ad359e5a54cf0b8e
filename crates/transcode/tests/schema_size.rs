//! A contract of ten thousand messages costs little until they are used: it is
//! linked in a blink, and a call compiles the tables of what it meets only.

#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod counter;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use portolan_schema::Schema;
use portolan_transcode::{ReadOptions, Transcoder, WriteOptions};
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet,
};

const FILES: usize = 100;
const MESSAGES: usize = 100;

/// From the bytes of the descriptors to the end of the first call. Where code is
/// not optimised this is only to notice what is quadratic.
const LIMIT: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(10)
} else {
    Duration::from_millis(100)
};

/// How often a time is taken; the best counts, since a busy machine only adds.
const ROUNDS: usize = if cfg!(debug_assertions) { 2 } else { 7 };

/// How often the first call may allocate. It meets three types; the tables of
/// all would take more than ten thousand.
const FIRST_CALL: u64 = 500;

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    FileDescriptorSet {
        file: (0..FILES).map(file).collect(),
    }
    .encode_to_vec()
});

/// A file of messages like those of a large company: each refers to a few
/// others, some of them in the file before.
fn file(number: usize) -> FileDescriptorProto {
    let before = number.checked_sub(1);
    FileDescriptorProto {
        name: Some(format!("large/part_{number}.proto")),
        package: Some(format!("large.part_{number}.v1")),
        syntax: Some("proto3".into()),
        dependency: before
            .map(|before| format!("large/part_{before}.proto"))
            .into_iter()
            .collect(),
        message_type: (0..MESSAGES).map(|place| message(number, place)).collect(),
        enum_type: vec![EnumDescriptorProto {
            name: Some("State".into()),
            value: (0..5)
                .map(|value| EnumValueDescriptorProto {
                    name: Some(format!("STATE_{value}")),
                    number: Some(value),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn message(file: usize, place: usize) -> DescriptorProto {
    let ours = |place: usize| type_name(file, &format!("Record{}", place % MESSAGES));
    let theirs = type_name(file.saturating_sub(1), &format!("Record{place}"));
    let kinds = [
        ("record_id", Type::String, Label::Optional, None),
        ("display_name", Type::String, Label::Optional, None),
        ("sequence_number", Type::Int64, Label::Optional, None),
        ("relevance_score", Type::Double, Label::Optional, None),
        (
            "state",
            Type::Enum,
            Label::Optional,
            Some(type_name(file, "State")),
        ),
        ("search_tags", Type::String, Label::Repeated, None),
        (
            "next_record",
            Type::Message,
            Label::Optional,
            Some(ours(place + 1)),
        ),
        (
            "child_records",
            Type::Message,
            Label::Repeated,
            Some(ours(place * 7 + 3)),
        ),
        (
            "parent_record",
            Type::Message,
            Label::Optional,
            Some(theirs),
        ),
        ("content_digest", Type::Bytes, Label::Optional, None),
    ];
    let field = |(number, (name, kind, label, of)): (i32, (&str, Type, Label, Option<String>))| {
        FieldDescriptorProto {
            name: Some(name.into()),
            number: Some(number),
            label: Some(label.into()),
            r#type: Some(kind.into()),
            type_name: of,
            ..Default::default()
        }
    };
    DescriptorProto {
        name: Some(format!("Record{place}")),
        field: (1..).zip(kinds).map(field).collect(),
        ..Default::default()
    }
}

fn type_name(file: usize, name: &str) -> String {
    format!(".large.part_{file}.v1.{name}")
}

fn transcoder() -> Transcoder {
    Transcoder::new(Arc::new(
        Schema::from_descriptor_sets([&**DESCRIPTORS]).unwrap(),
    ))
}

/// One message each way, through three types.
fn call(transcoder: &Transcoder) {
    let json = br#"{"recordId":"r","nextRecord":{"sequenceNumber":"7","state":"STATE_2"},"parentRecord":{"displayName":"p"}}"#;
    let message = transcoder
        .schema()
        .message_by_name("large.part_50.v1.Record7")
        .unwrap();
    let (mut wire, mut text) = (Vec::new(), Vec::new());
    transcoder
        .json_to_wire(message, json, &mut wire, &ReadOptions::default())
        .unwrap();
    transcoder
        .wire_to_json(message, &wire, &mut text, &WriteOptions::default())
        .unwrap();
    assert_eq!(text, json);
}

#[test]
fn ten_thousand_messages_are_ready_in_a_blink() {
    assert_eq!(transcoder().schema().messages().len(), FILES * MESSAGES);
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let schema = Arc::new(Schema::from_descriptor_sets([&**DESCRIPTORS]).unwrap());
        let linked = started.elapsed();
        let transcoder = Transcoder::new(schema);
        let made = started.elapsed();
        call(&transcoder);
        let whole = started.elapsed();
        let parts = [whole, linked, made - linked, whole - made];
        best = std::array::from_fn(|part| best[part].min(parts[part]));
    }
    let [whole, linked, made, called] = best;
    println!(
        "{} B of descriptors: {whole:?} (linked {linked:?}, transcoder {made:?}, first call {called:?})",
        DESCRIPTORS.len()
    );
    assert!(whole < LIMIT, "{whole:?}, of which linking {linked:?}");
}

#[test]
fn the_first_call_compiles_what_it_meets_only() {
    let transcoder = transcoder();
    let first = counter::allocations(|| call(&transcoder));
    let second = counter::allocations(|| call(&transcoder));
    println!("allocations: {first} in the first call, {second} in the next");
    assert!(first < FIRST_CALL, "{first} allocations");
    assert!(second < first);
}
