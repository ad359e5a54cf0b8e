//! Nothing takes more than time in proportion to its input. The bounds are
//! generous: what is quadratic misses them by far, even on a fast machine.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portolan_schema::Schema;
use portolan_transcode::{Transcoder, WriteOptions};

use crate::contract::{Wire, read, wire, write};

fn within<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = work();
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(8), "{what} took {spent:?}");
    value
}

#[test]
fn maps_with_many_entries() {
    let mut json = String::from(r#"{"strings":{"#);
    for index in 0..100_000 {
        let _ = write!(
            json,
            "{}\"key {index}\":\"v\"",
            if index == 0 { "" } else { "," }
        );
    }
    json.push_str("}}");
    let wire = within("reading", || read("Maps", &json).unwrap());
    assert_eq!(within("writing", || write("Maps", &wire).unwrap()), json);
    let json = json.replace("{\"strings\":", "{\"struct\":");
    let wire = within("reading a Struct", || read("WellKnown", &json).unwrap());
    assert_eq!(
        within("writing a Struct", || write("WellKnown", &wire).unwrap()),
        json
    );
}

#[test]
fn one_field_many_times() {
    let one = wire()
        .bytes(18, wire().varint(1, 1).bytes(3, wire().varint(1, 2)))
        .0;
    assert_eq!(
        within("merging", || write("Scalars", &one.repeat(100_000))
            .unwrap()),
        r#"{"inner":{"id":1,"child":{"id":2}}}"#
    );
    let one = wire().varint(3, 7).0;
    assert_eq!(
        within("replacing", || write("Scalars", &one.repeat(1_000_000))
            .unwrap()),
        r#"{"int32Value":7}"#
    );
    let two = wire().varint(1, 1).bytes(2, "x").0;
    assert_eq!(
        within("a oneof to and fro", || write(
            "Choice",
            &two.repeat(300_000)
        )
        .unwrap()),
        r#"{"text":"x"}"#
    );
    let entry = wire().bytes(17, wire().bytes(1, "k").bytes(2, "v")).0;
    assert_eq!(
        within("one map key", || write("Maps", &entry.repeat(100_000))
            .unwrap()),
        r#"{"strings":{"k":"v"}}"#
    );
}

#[test]
fn what_is_not_in_order_until_the_end() {
    // Megabytes that are walked in vain: the last record is out of order.
    let item = wire().varint(1, 1).bytes(2, "a name").0;
    let many = wire().bytes(18, item).0.repeat(200_000);
    let late = Wire([many, wire().varint(3, 1).bytes(18, []).0].concat());
    within("a list that goes on", || write("Lists", &late.0).unwrap());
    // At each level the last record is, and nothing is walked anew per level.
    let deep = (0..95).fold(wire().bytes(4, []).0.repeat(50_000), |inner, _| {
        wire().bytes(2, inner).varint(1, 1).varint(1, 2).0
    });
    within("levels that go on", || write("Tree", &deep).unwrap());
    let entries: Vec<u8> = (0..100_000)
        .flat_map(|index| {
            let key = format!("a key {}", index / 2);
            wire().bytes(17, wire().bytes(1, key).bytes(2, "v")).0
        })
        .collect();
    within("keys that come twice", || write("Maps", &entries).unwrap());
    // Maps in maps, each with a key that comes twice.
    let deep = (0..45).fold(wire().varint(1, 1).0.repeat(100_000), |inner, _| {
        let entry = |value: &[u8]| wire().bytes(1, "k").bytes(2, value);
        wire().bytes(5, entry(&[])).bytes(5, entry(&inner)).0
    });
    within("maps in maps", || write("Tree", &deep).unwrap());
}

#[test]
fn lists_with_many_values() {
    let mut json = String::from(r#"{"int32s":[1"#);
    json.push_str(&",23".repeat(1_000_000));
    json.push_str("]}");
    let packed = within("reading", || read("Lists", &json).unwrap());
    assert_eq!(within("writing", || write("Lists", &packed).unwrap()), json);
    let unpacked = wire().varint(3, 5).0.repeat(1_000_000);
    within("writing unpacked", || write("Lists", &unpacked).unwrap());
    // In pieces, one value at a time, with another field between.
    let pieces = wire().varint(3, 5).bytes(14, "").0.repeat(300_000);
    within("writing pieces", || write("Lists", &pieces).unwrap());
    let messages = format!(r#"{{"inners":[{{}}{}]}}"#, r#",{"id":1}"#.repeat(100_000));
    let found = within("reading messages", || read("Lists", &messages).unwrap());
    assert_eq!(
        within("writing messages", || write("Lists", &found).unwrap()),
        messages
    );
}

#[test]
fn deep_and_out_of_order() {
    // At each level the fields are parted, so each level is sorted and merged.
    let deep = (0..98).fold(wire().bytes(4, []).0.repeat(20_000), |inner, _| {
        Wire(wire().varint(1, 1).0)
            .bytes(2, inner)
            .varint(1, 2)
            .bytes(2, wire().varint(1, 3))
            .0
    });
    within("sorting", || write("Tree", &deep).unwrap());
    let deep = (0..49).fold(wire().varint(7, 1).0.repeat(20_000), |inner, _| {
        wire()
            .group(9, wire().varint(1, 1).bytes(3, inner).varint(1, 2))
            .0
    });
    within("groups", || write("legacy.Legacy", &deep).unwrap());
    let anys = (0..45).fold(
        format!(
            r#"{{"@type":"x/rules.Lists","strings":[""{}]}}"#,
            r#","""#.repeat(20_000)
        ),
        |inner, _| format!(r#"{{"value":{inner},"@type":"x/google.protobuf.Any"}}"#),
    );
    within("Anys with the type last", || {
        read("google.protobuf.Any", &anys).unwrap()
    });
}

#[test]
fn long_strings() {
    let json = format!(r#"{{"stringValue":"{}"}}"#, r"\n\u00e9x".repeat(300_000));
    let found = within("reading", || read("Scalars", &json).unwrap());
    within("writing", || write("Scalars", &found).unwrap());
    let mask = format!("\"a{}\"", ",fooBar".repeat(100_000));
    let found = within("reading a mask", || {
        read("google.protobuf.FieldMask", &mask).unwrap()
    });
    assert_eq!(
        within("writing a mask", || write(
            "google.protobuf.FieldMask",
            &found
        )
        .unwrap()),
        mask
    );
}

/// A message type that has itself in a group, a group in a list, and a number.
fn nest() -> Transcoder {
    let field = |name: &str, number: u64, label: u64, kind: u64| {
        let field = wire().bytes(1, name).varint(3, number);
        field.varint(4, label).varint(5, kind)
    };
    let (group, int32, optional, repeated) = (10, 5, 1, 3);
    let message = wire()
        .bytes(1, "Nest")
        .bytes(2, field("in", 1, optional, group).bytes(6, ".Nest"))
        .bytes(2, field("a", 2, optional, int32))
        .bytes(2, field("many", 3, repeated, group).bytes(6, ".Nest"));
    let file = wire().bytes(1, "nest.proto").bytes(4, message);
    let set = wire().bytes(1, file).0;
    Transcoder::new(Arc::new(Schema::from_descriptor_sets([&*set]).unwrap()))
}

#[test]
fn groups_in_groups() {
    let transcoder = nest();
    let id = transcoder.schema().message_by_name("Nest").unwrap();
    let keep = WriteOptions {
        keep_unknown: true,
        ..WriteOptions::default()
    };
    let write = |bytes: &[u8], options: &WriteOptions| {
        let mut json = Vec::new();
        transcoder
            .wire_to_json(id, bytes, &mut json, options)
            .unwrap();
        String::from_utf8(json).unwrap()
    };
    let unknown = || wire().varint(9, 1).0.repeat(1_000_000);

    // At each level what comes twice stands behind the group, so that every
    // level is read with care, which needs to know where the group ends.
    let deep = (0..98).fold(Wire(unknown()), |inner, _| {
        wire().group(1, inner).varint(2, 3).varint(2, 4)
    });
    let expected = format!("{}{{}}{}", r#"{"in":"#.repeat(98), r#","a":4}"#.repeat(98));
    let found = within("one in the other", || {
        write(&deep.0, &WriteOptions::default())
    });
    assert_eq!(found, expected);
    within("one in the other, kept", || write(&deep.0, &keep));

    // A group that comes again at each level is merged with the first.
    let deep = (0..98).fold(Wire(unknown()), |inner, _| {
        let first = wire().group(1, wire().varint(2, 4));
        Wire([first.0, wire().group(1, inner).0].concat())
    });
    let expected = format!(
        r#"{}{{"a":4}}{}"#,
        r#"{"in":"#.repeat(98),
        r#","a":4}"#.repeat(97) + "}"
    );
    let found = within("merged", || write(&deep.0, &WriteOptions::default()));
    assert_eq!(found, expected);
    // Many towers of groups, side by side in a list.
    let tower = (0..90).fold(wire(), |inner, _| wire().group(1, inner));
    let many = wire().group(3, tower).0.repeat(3_000);
    let late = Wire([many, wire().varint(2, 1).varint(2, 2).0].concat());
    within("side by side", || write(&late.0, &WriteOptions::default()));
}
