//! Unknown fields kept through JSON, and message sets, whose items may be
//! unknown.

use portolan_transcode::{PrintDefaults, Problem, ReadOptions, WriteOptions};

use crate::contract::{
    Wire, check_texts, message, read, read_with, transcoder, wire, write, write_with,
};

pub(crate) const WRITE: WriteOptions = WriteOptions {
    proto_names: false,
    enums_as_numbers: false,
    print_defaults: PrintDefaults::No,
    keep_unknown: true,
    indent: None,
    recursion_limit: 100,
};

pub(crate) const READ: ReadOptions = ReadOptions {
    ignore_unknown: false,
    keep_unknown: true,
    recursion_limit: 100,
};

/// Checks `(message, wire bytes, JSON)` and that the way back gives the same
/// bytes.
fn check(cases: &[(&str, Wire, &str)]) {
    for (name, bytes, json) in cases {
        let written = write_with(name, &bytes.0, &WRITE).unwrap();
        assert_eq!(written, *json, "{name}");
        let back = read_with(name, written.as_bytes(), &READ).unwrap();
        assert_eq!(back, bytes.0, "{name} {json}");
    }
}

#[test]
fn unknown_fields_come_back() {
    check(&[
        (
            "Inner",
            wire().varint(1, 7).varint(99, 1),
            r#"{"id":7,"@unknown":"mAYB"}"#,
        ),
        ("Inner", wire().varint(99, 1), r#"{"@unknown":"mAYB"}"#),
        (
            "Inner",
            wire()
                .group(99, wire().fixed64(1, 2))
                .fixed32(98, 3)
                .bytes(97, "x"),
            r#"{"@unknown":"mwYJAgAAAAAAAACcBpUGAwAAAIoGAXg="}"#,
        ),
        // Of another wire type than the contract's.
        ("Inner", wire().bytes(1, "x"), r#"{"@unknown":"CgF4"}"#),
        // At every level, in lists and maps.
        (
            "Outer",
            wire()
                .bytes(1, wire().varint(1, 1).varint(99, 1))
                .bytes(2, wire().varint(99, 2))
                .varint(99, 3),
            r#"{"one":{"id":1,"@unknown":"mAYB"},"many":[{"@unknown":"mAYC"}],"@unknown":"mAYD"}"#,
        ),
        // Numbers that a closed enum does not have.
        (
            "legacy.Legacy",
            wire().varint(3, 9),
            r#"{"@unknown":"GAk="}"#,
        ),
        (
            "legacy.Legacy",
            wire().varint(4, 1).varint(4, 9),
            r#"{"manyClosed":["ONE"],"@unknown":"IAk="}"#,
        ),
        (
            "legacy.Legacy",
            wire().bytes(6, wire().bytes(1, "k").varint(2, 9)),
            r#"{"@unknown":"MgUKAWsQCQ=="}"#,
        ),
    ]);
    // Packed ones leave their list and come back beside it.
    let packed = wire().bytes(5, [1, 9, 2]).0;
    let json = write_with("legacy.Legacy", &packed, &WRITE).unwrap();
    assert_eq!(json, r#"{"packedClosed":["ONE","TWO"],"@unknown":"KAk="}"#);
    assert_eq!(
        read_with("legacy.Legacy", json.as_bytes(), &READ).unwrap(),
        wire().bytes(5, [1, 2]).varint(5, 9).0
    );
}

#[test]
fn a_list_of_nothing_but_unknown_numbers_is_not_there() {
    for bytes in [
        wire().bytes(5, [9]),
        wire().bytes(5, []),
        wire().bytes(6, wire().bytes(1, "k").varint(2, 9)),
    ] {
        assert_eq!(write("legacy.Legacy", &bytes.0).unwrap(), "{}");
    }
    let json = write("legacy.Legacy", &wire().bytes(5, [9]).varint(1, 2).0).unwrap();
    assert_eq!(json, r#"{"number":2}"#);
}

#[test]
fn unknown_fields_of_a_message_in_an_any_come_back() {
    let inner = wire().varint(1, 7).varint(99, 1);
    check(&[(
        "google.protobuf.Any",
        wire().bytes(1, "x/rules.Inner").bytes(2, inner),
        r#"{"@type":"x/rules.Inner","id":7,"@unknown":"mAYB"}"#,
    )]);
}

#[test]
fn they_are_kept_only_when_asked_for() {
    let bytes = wire().varint(1, 7).varint(99, 1).0;
    assert_eq!(write("Inner", &bytes).unwrap(), r#"{"id":7}"#);
    let error = read("Inner", r#"{"@unknown":"mAYB"}"#).unwrap_err();
    assert!(matches!(error.problem(), Problem::UnknownField { .. }));
}

#[test]
fn what_is_no_record_is_refused() {
    let refused = |json: &str| {
        read_with("Inner", json.as_bytes(), &READ)
            .unwrap_err()
            .to_string()
    };
    check_texts(&[
        (
            refused(r#"{"@unknown":7}"#),
            "$.@unknown: expected unknown fields in base64, found a number at byte 12",
        ),
        (
            refused(r#"{"@unknown":"!"}"#),
            r#"$.@unknown: "!" is not base64 at byte 12"#,
        ),
        (
            refused(r#"{"@unknown":"mAY="}"#),
            "$.@unknown: the message ends in the middle of a value at byte 12",
        ),
        (
            refused(r#"{"@unknown":"AA=="}"#),
            "$.@unknown: a field number outside 1 to 536870911 at byte 12",
        ),
        (
            refused(r#"{"@unknown":"","@unknown":""}"#),
            "$.@unknown: `@unknown` is there twice at byte 26",
        ),
    ]);
    // Deeper than the limit.
    let deep = [[0x9b_u8, 0x06].repeat(200), [0x9c, 0x06].repeat(200)].concat();
    assert!(write_with("Inner", &deep, &WRITE).is_err());
}

/// An item of a message set.
fn item(number: u64, message: Wire) -> Wire {
    wire().group(1, wire().varint(2, number).bytes(3, message))
}

#[test]
fn items_of_a_message_set_are_extensions() {
    let json = r#"{"[rules.old.Item.item]":{"id":7}}"#;
    let bytes = item(1000, wire().varint(1, 7));
    assert_eq!(read("old.Set", json).unwrap(), bytes.0);
    assert_eq!(write("old.Set", &bytes.0).unwrap(), json);
    // Sets within sets, and beside others.
    let json = r#"{"[rules.old.Item.item]":{"id":7,"inner":{"[rules.old.Other.other]":{"name":"x"}}},"[rules.old.Other.other]":{"name":"y"}}"#;
    let wire = read("old.Set", json).unwrap();
    assert_eq!(write("old.Set", &wire).unwrap(), json);
    let any = r#"{"@type":"x/rules.old.Set","[rules.old.Item.item]":{"id":7}}"#;
    let wire = read("google.protobuf.Any", any).unwrap();
    assert_eq!(write("google.protobuf.Any", &wire).unwrap(), any);
}

#[test]
fn message_sets_are_read_in_every_form() {
    let json = r#"{"[rules.old.Item.item]":{"id":7}}"#;
    for bytes in [
        // The message before its number.
        wire().group(1, wire().bytes(3, wire().varint(1, 7)).varint(2, 1000)),
        // As an ordinary extension.
        wire().bytes(1000, wire().varint(1, 7)),
        // Again: merged.
        Wire(
            [
                item(1000, wire().varint(1, 3)).0,
                item(1000, wire().varint(1, 7)).0,
            ]
            .concat(),
        ),
        // Unknown things around and within.
        Wire([item(77, wire()).0, item(1000, wire().varint(1, 7)).0].concat()),
        wire().group(
            1,
            wire()
                .varint(9, 9)
                .varint(2, 1000)
                .bytes(3, wire().varint(1, 7)),
        ),
    ] {
        assert_eq!(write("old.Set", &bytes.0).unwrap(), json);
    }
    // No number, or no message.
    for bytes in [
        wire().group(1, wire().varint(2, 1000)),
        wire().group(1, wire().bytes(3, [])),
    ] {
        assert_eq!(write("old.Set", &bytes.0).unwrap(), "{}");
    }
}

#[test]
fn unknown_items_of_a_message_set_come_back() {
    check(&[
        ("old.Set", item(77, wire()), r#"{"@unknown":"CxBNGgAM"}"#),
        (
            "old.Set",
            Wire([item(1000, wire().varint(1, 7)).0, item(77, wire()).0].concat()),
            r#"{"[rules.old.Item.item]":{"id":7},"@unknown":"CxBNGgAM"}"#,
        ),
    ]);
}

#[test]
fn one_item_of_a_message_set_as_json() {
    let mut json = Vec::new();
    transcoder()
        .field_to_json(
            message("old.Set"),
            "[rules.old.Item.item]",
            &item(1000, wire().varint(1, 7)).0,
            &mut json,
            &WriteOptions::default(),
        )
        .unwrap();
    assert_eq!(json, br#"{"id":7}"#);
}
