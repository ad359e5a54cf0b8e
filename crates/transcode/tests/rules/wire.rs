//! Wire bytes in every order and shape that the format allows, and bytes that
//! are no message.

use crate::contract::{Wire, check_texts, wire, write};

fn check(name: &str, Wire(bytes): Wire, expected: &str) {
    let found = write(name, &bytes).unwrap_or_else(|error| panic!("{expected}: {error}"));
    assert_eq!(found, expected, "{bytes:x?}");
}

#[test]
fn order_is_free() {
    check(
        "Scalars",
        wire().bytes(14, "x").varint(3, 1),
        r#"{"stringValue":"x","int32Value":1}"#,
    );
    // A list in pieces is one list.
    check(
        "Lists",
        wire()
            .bytes(14, "a")
            .varint(19, 1)
            .bytes(14, "b")
            .varint(19, 2),
        r#"{"strings":["a","b"],"unpackedInt32s":[1,2]}"#,
    );
    // Also when only an unknown field stands between.
    check(
        "Lists",
        wire().bytes(14, "a").varint(999, 1).bytes(14, "b"),
        r#"{"strings":["a","b"]}"#,
    );
    check(
        "Lists",
        wire().bytes(14, "a").varint(14, 1).bytes(14, "b"),
        r#"{"strings":["a","b"]}"#,
    );
    // And a map in pieces is one map.
    let entry = |key: &str, value: &str| wire().bytes(1, key).bytes(2, value);
    check(
        "Maps",
        wire()
            .bytes(17, entry("a", "1"))
            .varint(99, 1)
            .bytes(17, entry("b", "2")),
        r#"{"strings":{"a":"1","b":"2"}}"#,
    );
}

#[test]
fn the_last_one_wins() {
    check(
        "Scalars",
        wire().varint(3, 1).varint(3, 2),
        r#"{"int32Value":2}"#,
    );
    check(
        "Scalars",
        wire().bytes(14, "a").varint(3, 1).bytes(14, "b"),
        r#"{"int32Value":1,"stringValue":"b"}"#,
    );
    check(
        "google.protobuf.Int32Value",
        wire().varint(1, 1).varint(1, 2),
        "2",
    );
    check(
        "google.protobuf.Timestamp",
        wire().varint(1, 1).varint(1, 2),
        r#""1970-01-01T00:00:02Z""#,
    );
}

#[test]
fn messages_merge() {
    let inner = |bytes: Wire| wire().bytes(18, bytes);
    let two = [
        inner(wire().varint(1, 1).bytes(3, wire().varint(1, 7))).0,
        inner(wire().bytes(2, "x").bytes(3, wire().bytes(2, "y"))).0,
    ]
    .concat();
    check(
        "Scalars",
        Wire(two),
        r#"{"inner":{"id":1,"name":"x","child":{"id":7,"name":"y"}}}"#,
    );
    // A group, too.
    check(
        "legacy.Legacy",
        wire()
            .group(9, wire().varint(1, 1))
            .group(9, wire().bytes(2, "x")),
        r#"{"part":{"a":1,"b":"x"}}"#,
    );
    // And what is within a map entry.
    let entry = wire()
        .bytes(1, "k")
        .bytes(2, wire().varint(1, 1))
        .bytes(2, wire().bytes(2, "x"));
    check(
        "Maps",
        wire().bytes(12, entry),
        r#"{"inners":{"k":{"id":1,"name":"x"}}}"#,
    );
}

#[test]
fn of_a_oneof_the_last_member_stays() {
    check(
        "Choice",
        wire().varint(1, 1).bytes(2, "a"),
        r#"{"text":"a"}"#,
    );
    check(
        "Choice",
        wire().bytes(2, "a").varint(1, 1),
        r#"{"number":1}"#,
    );
    check(
        "Choice",
        wire().varint(1, 1).varint(8, 5).bytes(2, "a").varint(9, 6),
        r#"{"text":"a","right":6}"#,
    );
    // The same member merges, unless another came between.
    let inner = |bytes: Wire| wire().bytes(3, bytes).0;
    let id = || wire().varint(1, 1);
    let name = || wire().bytes(2, "x");
    check(
        "Choice",
        Wire([inner(id()), inner(name())].concat()),
        r#"{"inner":{"id":1,"name":"x"}}"#,
    );
    check(
        "Choice",
        Wire([inner(id()), wire().varint(1, 1).0, inner(name())].concat()),
        r#"{"inner":{"name":"x"}}"#,
    );
    check(
        "google.protobuf.Value",
        wire().bytes(3, "a").varint(4, 1),
        "true",
    );
    check(
        "google.protobuf.Value",
        wire().varint(4, 1).bytes(6, []),
        "[]",
    );
}

#[test]
fn packed_and_unpacked() {
    check(
        "Lists",
        wire().varint(3, 1).bytes(3, [2, 3]).varint(3, 4),
        r#"{"int32s":[1,2,3,4]}"#,
    );
    check(
        "Lists",
        wire().bytes(19, [1, 2]).varint(19, 3),
        r#"{"unpackedInt32s":[1,2,3]}"#,
    );
    check("Lists", wire().bytes(3, []), "{}");
    check(
        "Lists",
        wire().fixed64(1, 0).bytes(1, 1.5_f64.to_le_bytes()),
        r#"{"doubles":[0,1.5]}"#,
    );
    check(
        "Lists",
        wire().bytes(13, [0, 2, 0x80, 0x01]),
        r#"{"bools":[false,true,true]}"#,
    );
    check(
        "legacy.Legacy",
        wire().bytes(7, [1, 2]).varint(7, 3),
        r#"{"unpacked":[1,2,3]}"#,
    );
    // A singular field is never packed.
    check("Scalars", wire().bytes(3, [1]), "{}");
}

#[test]
fn map_entries() {
    let maps = |entry: Wire| wire().bytes(17, entry);
    check("Maps", maps(wire()), r#"{"strings":{"":""}}"#);
    check(
        "Maps",
        maps(wire().bytes(1, "k")),
        r#"{"strings":{"k":""}}"#,
    );
    check(
        "Maps",
        maps(wire().bytes(2, "v").bytes(1, "k")),
        r#"{"strings":{"k":"v"}}"#,
    );
    check(
        "Maps",
        maps(
            wire()
                .bytes(1, "a")
                .bytes(1, "k")
                .bytes(2, "u")
                .bytes(2, "v"),
        ),
        r#"{"strings":{"k":"v"}}"#,
    );
    check(
        "Maps",
        maps(wire().bytes(1, "k").varint(9, 9)),
        r#"{"strings":{"k":""}}"#,
    );
    check(
        "Maps",
        wire().bytes(1, wire()).bytes(11, wire()),
        r#"{"int32Keys":{"0":0},"boolKeys":{"false":""}}"#,
    );
    check(
        "Maps",
        wire().bytes(4, wire()).bytes(12, wire()),
        r#"{"uint64Keys":{"0":0},"inners":{"":{}}}"#,
    );
    check(
        "Maps",
        wire().bytes(13, wire()).bytes(16, wire()),
        r#"{"colors":{"":"COLOR_UNSPECIFIED"},"wrapped":{"":0}}"#,
    );
    // The later entry of a key replaces the earlier one, messages too.
    let entry = |value: Wire| wire().bytes(1, "k").bytes(2, value);
    check(
        "Maps",
        wire()
            .bytes(12, entry(wire().varint(1, 1)))
            .bytes(12, entry(wire().bytes(2, "x"))),
        r#"{"inners":{"k":{"name":"x"}}}"#,
    );
    // An over-long key is the same key.
    check(
        "Maps",
        Wire(b"\x0a\x04\x08\x01\x10\x05\x0a\x05\x08\x81\x00\x10\x06".to_vec()),
        r#"{"int32Keys":{"1":6}}"#,
    );
}

#[test]
fn a_key_comes_once_in_maps_of_any_length() {
    for length in [1, 2, 16, 17, 18, 100] {
        let entry = |number: u64, value: u64| {
            let key = format!("a common start, number {number}, and a common end");
            wire()
                .bytes(17, wire().bytes(1, key).bytes(2, value.to_string()))
                .bytes(17, wire().bytes(1, number.to_string()).bytes(2, "short"))
                .0
        };
        let once: Vec<u8> = (0..length).flat_map(|number| entry(number, 1)).collect();
        let found = write("Maps", &once).unwrap();
        assert_eq!(found.matches("\":\"1\"").count(), length as usize);
        // The first key once more, at the end: its value is replaced in place.
        let twice = [once.clone(), entry(0, 2)].concat();
        assert_eq!(
            write("Maps", &twice).unwrap(),
            found.replacen("\":\"1\"", "\":\"2\"", 1)
        );
        // Numbers, too, also when the same number is spelled otherwise.
        let entry =
            |key: u64, value: u64| wire().bytes(1, wire().varint(1, key).varint(2, value)).0;
        let once: Vec<u8> = (0..length).flat_map(|key| entry(key, 1)).collect();
        let found = write("Maps", &once).unwrap();
        let twice = [once, entry(1 << 32, 2)].concat();
        assert_eq!(
            write("Maps", &twice).unwrap(),
            found.replacen(":1", ":2", 1)
        );
    }
    check(
        "Maps",
        wire()
            .bytes(11, wire().varint(1, 1).bytes(2, "a"))
            .bytes(11, wire().varint(1, 2).bytes(2, "b")),
        r#"{"boolKeys":{"true":"b"}}"#,
    );
}

#[test]
fn groups_end_with_their_own_tag() {
    let part = |rest: Wire| Wire([wire().varint(1, 1).0, rest.0].concat());
    check(
        "legacy.Legacy",
        wire().group(9, part(wire())).bytes(2, "behind"),
        r#"{"part":{"a":1},"text":"behind"}"#,
    );
    // An unknown group within a known one.
    check(
        "legacy.Legacy",
        wire().group(9, part(wire().group(99, wire().varint(1, 7)))),
        r#"{"part":{"a":1}}"#,
    );
    for bytes in [
        &b"\x4b\x08\x01"[..],
        b"\x4b\x08\x01\x54",
        b"\x4c",
        b"\x4b\x08\x01\x4c\x4c",
    ] {
        assert!(write("legacy.Legacy", bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn scalars_are_cut_to_their_width() {
    check(
        "Scalars",
        wire().varint(3, u64::MAX),
        r#"{"int32Value":-1}"#,
    );
    check(
        "Scalars",
        wire().varint(3, 1 << 32 | 5),
        r#"{"int32Value":5}"#,
    );
    check(
        "Scalars",
        wire().varint(5, 1 << 32 | 5),
        r#"{"uint32Value":5}"#,
    );
    check(
        "Scalars",
        wire().varint(7, 1 << 32 | 1),
        r#"{"sint32Value":-1}"#,
    );
    check(
        "Scalars",
        wire().varint(13, 1 << 63),
        r#"{"boolValue":true}"#,
    );
    check(
        "Scalars",
        wire().varint(16, -3_i64 as u64),
        r#"{"color":"BLUE"}"#,
    );
    check(
        "Scalars",
        wire().varint(16, 1 << 32 | 1),
        r#"{"color":"RED"}"#,
    );
    check(
        "Scalars",
        wire().fixed64(1, 0x7ff8_0000_0000_0001),
        r#"{"doubleValue":"NaN"}"#,
    );
    check(
        "Scalars",
        wire().fixed64(1, 0xfff8_0000_0000_0001),
        r#"{"doubleValue":"NaN"}"#,
    );
}

#[test]
fn a_zero_without_presence_is_absent() {
    for zero in [
        wire().varint(3, 0),
        wire().varint(3, 7).varint(3, 0),
        wire().varint(3, 1 << 32),
        wire().varint(7, 1 << 32),
        wire().varint(13, 0),
        wire().varint(16, 0),
        wire().fixed64(1, 0),
        wire().fixed32(2, 0),
        wire().bytes(14, ""),
        wire().bytes(15, ""),
    ] {
        check("Scalars", zero, "{}");
    }
    check("WellKnown", wire().varint(9, 0), "{}");
    // A negative zero is none, and neither is a zero with presence.
    check(
        "Scalars",
        wire().fixed64(1, 1 << 63),
        r#"{"doubleValue":-0}"#,
    );
    check(
        "Scalars",
        wire().fixed32(2, 1 << 31),
        r#"{"floatValue":-0}"#,
    );
    check("Optionals", wire().varint(3, 0), r#"{"int32Value":0}"#);
}

#[test]
fn closed_enums_have_unknown_fields_for_unknown_numbers() {
    check("legacy.Legacy", wire().varint(3, 2), r#"{"closed":"TWO"}"#);
    check("legacy.Legacy", wire().varint(3, 9), "{}");
    // Not being a value, it does not replace the one before.
    check(
        "legacy.Legacy",
        wire().varint(3, 1).varint(3, 9),
        r#"{"closed":"ONE"}"#,
    );
    check(
        "legacy.Legacy",
        wire().varint(4, 1).varint(4, 9).varint(4, 2),
        r#"{"manyClosed":["ONE","TWO"]}"#,
    );
    check(
        "legacy.Legacy",
        wire().bytes(5, [1, 9, 2]),
        r#"{"packedClosed":["ONE","TWO"]}"#,
    );
    check(
        "legacy.Legacy",
        wire().varint(12, 7).varint(11, 9),
        r#"{"or":7}"#,
    );
    let entry = |value| wire().bytes(1, "k").varint(2, value);
    check(
        "legacy.Legacy",
        wire().bytes(6, entry(9)).bytes(6, entry(1)),
        r#"{"closedMap":{"k":"ONE"}}"#,
    );
    check(
        "legacy.Legacy",
        wire().bytes(6, entry(1)).bytes(6, entry(9)),
        r#"{"closedMap":{"k":"ONE"}}"#,
    );
}

#[test]
fn unknown_fields_are_passed_over() {
    let unknown = || {
        wire()
            .varint(1000, 1)
            .fixed32(1001, 1)
            .fixed64(1002, 1)
            .bytes(1003, "x")
            .group(1004, wire().group(1, wire()).varint(2, 1))
    };
    check("Scalars", unknown(), "{}");
    check(
        "Scalars",
        Wire([unknown().0, wire().varint(3, 1).0, unknown().0].concat()),
        r#"{"int32Value":1}"#,
    );
    check(
        "google.protobuf.Duration",
        Wire([unknown().0, wire().varint(1, 1).0].concat()),
        r#""1s""#,
    );
    // Another wire type makes a known number unknown.
    check(
        "Scalars",
        wire()
            .fixed32(3, 1)
            .bytes(13, "x")
            .varint(14, 1)
            .group(18, wire()),
        "{}",
    );
}

#[test]
fn what_is_no_message_is_refused() {
    let mut found = Vec::new();
    for (bytes, expected) in [
        (
            &b"\x18"[..],
            "$: the message ends in the middle of a value at byte 1",
        ),
        (
            b"\x18\x80",
            "$: the message ends in the middle of a value at byte 1",
        ),
        (
            b"\x72\x05abc",
            "$: the message ends in the middle of a value at byte 2",
        ),
        (
            b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "$: the message ends in the middle of a value at byte 11",
        ),
        (
            b"\x09\x01\x02",
            "$: the message ends in the middle of a value at byte 1",
        ),
        (
            b"\x4d\x01",
            "$: the message ends in the middle of a value at byte 1",
        ),
        (
            b"\x00\x01",
            "$: a field number outside 1 to 536870911 at byte 0",
        ),
        (b"\x1e", "$: an unknown wire type at byte 0"),
        (b"\x1f", "$: an unknown wire type at byte 0"),
        (b"\x1c", "$: an end-group tag without its start at byte 1"),
        (
            b"\xa3\x06\x08",
            "$: the message ends in the middle of a value at byte 3",
        ),
        (
            b"\xa3\x06\xac\x06",
            "$: an end-group tag of another group at byte 4",
        ),
        (
            b"\xa3\x06",
            "$: the message ends in the middle of a value at byte 2",
        ),
        (
            b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            "$: a varint of more than 10 bytes at byte 1",
        ),
        (
            b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            "$: a varint of more than 10 bytes at byte 0",
        ),
        (
            b"\xf8\xff\xff\xff\xff\x01\x00",
            "$: a field number outside 1 to 536870911 at byte 0",
        ),
        (
            b"\x72\x02\xc3\x28",
            "$.stringValue: a string that is not UTF-8 at byte 2",
        ),
        (
            b"\x92\x01\x02\x12\x05",
            "$.inner: the message ends in the middle of a value at byte 5",
        ),
        (
            b"\x92\x01\x03\x12\x01\xff",
            "$.inner.name: a string that is not UTF-8 at byte 5",
        ),
    ] {
        found.push((write("Scalars", bytes).unwrap_err().to_string(), expected));
    }
    for (name, bytes, expected) in [
        (
            "Lists",
            wire().bytes(3, b"\x01\x80"),
            "$.int32s: the message ends in the middle of a value at byte 3",
        ),
        (
            "Lists",
            wire().bytes(1, b"\x01\x80"),
            "$.doubles: the message ends in the middle of a value at byte 2",
        ),
        (
            "Lists",
            wire().bytes(14, "a").bytes(14, b"\xff"),
            "$.strings[1]: a string that is not UTF-8 at byte 5",
        ),
        (
            "Maps",
            wire().bytes(17, wire().bytes(1, b"\xff")),
            "$.strings: a string that is not UTF-8 at byte 5",
        ),
        (
            "Maps",
            wire().bytes(17, wire().bytes(1, "k").bytes(2, b"\xff")),
            r#"$.strings["k"]: a string that is not UTF-8 at byte 8"#,
        ),
        (
            "Maps",
            wire().bytes(17, b"\x0a"),
            "$.strings: the message ends in the middle of a value at byte 4",
        ),
        (
            "WellKnown",
            wire().bytes(2, b"\x08"),
            "$.timestamp: the message ends in the middle of a value at byte 3",
        ),
        (
            "legacy.Legacy",
            wire().bytes(2, b"\xff"),
            "$.text: a string that is not UTF-8 at byte 2",
        ),
    ] {
        found.push((write(name, &bytes.0).unwrap_err().to_string(), expected));
    }
    check_texts(&found);
}

#[test]
fn a_required_field_must_be_on_the_wire() {
    let refused = |bytes: Wire| write("legacy.Needy", &bytes.0).unwrap_err().to_string();
    let whole = || wire().varint(1, 1);
    assert_eq!(write("legacy.Needy", &whole().0).unwrap(), r#"{"must":1}"#);
    check_texts(&[
        (
            refused(wire()),
            "$: required field `must` is missing at byte 0",
        ),
        (
            refused(whole().bytes(3, whole()).bytes(3, [])),
            "$.list[1]: required field `must` is missing at byte 8",
        ),
        (
            // Of another wire type, it is another field.
            refused(wire().bytes(1, [1])),
            "$: required field `must` is missing at byte 0",
        ),
    ]);
    // Merged, the whole counts.
    let merged = whole().bytes(2, wire().bytes(3, whole())).bytes(2, whole());
    assert_eq!(
        write("legacy.Needy", &merged.0).unwrap(),
        r#"{"must":1,"inner":{"list":[{"must":1}],"must":1}}"#
    );
}

#[test]
fn what_is_merged_is_whole_piece_by_piece() {
    // A piece that breaks off is not made whole by the next one, and what is
    // wrong within a piece is said with its place in the input.
    let inner = |bytes: &[u8]| wire().bytes(18, bytes).0;
    let bad_name = || wire().bytes(2, b"\xff");
    let pieces = |first: &[u8], second: &[u8]| [inner(first), inner(second)].concat();
    let refusal = |name: &str, bytes: &[u8]| write(name, bytes).unwrap_err().to_string();
    let item = |message: Wire| {
        let item = wire().varint(2, 1000).bytes(3, message);
        wire().group(1, item).0
    };
    check_texts(&[
        (
            refusal("Scalars", &pieces(b"\x08", b"\x01")),
            "$.inner: the message ends in the middle of a value at byte 4",
        ),
        (
            refusal("Scalars", &pieces(b"\x3b", b"\x3c")),
            "$.inner: the message ends in the middle of a value at byte 4",
        ),
        (
            refusal("Scalars", &pieces(&wire().varint(1, 1).0, &bad_name().0)),
            "$.inner.name: a string that is not UTF-8 at byte 10",
        ),
        (
            refusal("Scalars", &pieces(&bad_name().0, &wire().varint(1, 1).0)),
            "$.inner.name: a string that is not UTF-8 at byte 5",
        ),
        // A tag and a length that are longer than they need to be.
        (
            refusal("Scalars", b"\x92\x81\x00\x83\x80\x00\x12\x01\xff"),
            "$.inner.name: a string that is not UTF-8 at byte 8",
        ),
        // What is missing may be in any piece: the last one is named.
        (
            refusal(
                "old.Set",
                &[
                    wire().bytes(1001, []).0,
                    wire().bytes(1001, wire().varint(9, 1)).0,
                ]
                .concat(),
            ),
            "$[rules.old.Other.other]: required field `name` is missing at byte 6",
        ),
        // An item of a message set, behind another.
        (
            refusal(
                "old.Set",
                &[item(wire()), item(wire().bytes(2, b"\x0b"))].concat(),
            ),
            "$[rules.old.Item.item].inner: the message ends in the middle of a value at byte 16",
        ),
    ]);
}

#[test]
fn what_is_wrong_in_a_map_entry_has_its_key() {
    // Also when the value is left out, and has no form then.
    let entry = |value: Wire| {
        let entry = [wire().bytes(1, "k").0, value.0].concat();
        wire().bytes(14, entry).0
    };
    let refusal = |bytes: &[u8]| write("Maps", bytes).unwrap_err().to_string();
    check_texts(&[
        (
            refusal(&entry(wire())),
            r#"$.values["k"]: a google.protobuf.Value without a value at byte 0"#,
        ),
        (
            refusal(&entry(wire().bytes(2, []))),
            r#"$.values["k"]: a google.protobuf.Value without a value at byte 7"#,
        ),
    ]);
}
