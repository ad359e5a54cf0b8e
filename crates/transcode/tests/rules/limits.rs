//! How deep and how large a message may be, and that neither breaks anything.

use crate::contract::{message, read, read_with, transcoder, wire, write, write_with};
use portolan_transcode::{ReadOptions, WriteOptions};

/// `depth` messages, each within the one before.
fn nested_json(depth: usize, open: &str, close: &str) -> String {
    format!("{}{{}}{}", open.repeat(depth - 1), close.repeat(depth - 1))
}

fn nested_wire(depth: usize, number: u32) -> Vec<u8> {
    (1..depth).fold(Vec::new(), |inner, _| wire().bytes(number, inner).0)
}

#[test]
fn a_hundred_levels_of_json_and_no_more() {
    for (open, close) in [
        ("{\"left\":", "}"),
        ("{\"more\":[", "]}"),
        ("{\"named\":{\"k\":", "}}"),
    ] {
        assert!(
            read("Tree", &nested_json(100, open, close)).is_ok(),
            "{open}"
        );
        let error = read("Tree", &nested_json(101, open, close)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(": nested more than 100 levels deep at byte "),
            "{error}"
        );
    }
    assert_eq!(
        read("Tree", &nested_json(101, "{\"left\":", "}"))
            .unwrap_err()
            .to_string(),
        format!(
            "${}: nested more than 100 levels deep at byte 800",
            ".left".repeat(100)
        )
    );
    let options = ReadOptions {
        recursion_limit: 2,
        ..ReadOptions::default()
    };
    assert!(read_with("Tree", br#"{"left":{}}"#, &options).is_ok());
    assert!(read_with("Tree", br#"{"left":{"left":{}}}"#, &options).is_err());
    assert!(
        read_with(
            "Tree",
            b"{}",
            &ReadOptions {
                recursion_limit: 0,
                ..options
            }
        )
        .is_err()
    );
}

#[test]
fn a_hundred_levels_of_wire_and_no_more() {
    for number in [2, 4] {
        assert!(write("Tree", &nested_wire(100, number)).is_ok());
        let error = write("Tree", &nested_wire(101, number)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(": nested more than 100 levels deep at byte "),
            "{error}"
        );
    }
    let groups = |depth: usize| {
        (1..depth)
            .fold(wire(), |inner, _| wire().group(9, wire().bytes(3, inner)))
            .0
    };
    assert!(write("legacy.Legacy", &groups(50)).is_ok());
    assert!(write("legacy.Legacy", &groups(51)).is_err());
    let options = WriteOptions {
        recursion_limit: 1,
        ..WriteOptions::default()
    };
    assert!(write_with("Tree", b"", &options).is_ok());
    assert!(write_with("Tree", &nested_wire(2, 2), &options).is_err());
}

#[test]
fn structs_and_anys_count() {
    let list = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // A list is one level together with the Value that it is.
    assert!(read("google.protobuf.Value", &list(100)).is_ok());
    assert!(read("google.protobuf.Value", &list(101)).is_err());
    let object = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(read("google.protobuf.Value", &object(99)).is_ok());
    assert!(read("google.protobuf.Value", &object(100)).is_err());
    let any = |depth: usize| {
        (1..depth).fold(String::from("{}"), |inner, _| {
            format!(r#"{{"@type":"x/google.protobuf.Any","value":{inner}}}"#)
        })
    };
    assert!(read("google.protobuf.Any", &any(40)).is_ok());
    assert!(read("google.protobuf.Any", &any(101)).is_err());
    let wire_any = |depth: usize| {
        (1..depth).fold(Vec::new(), |inner, _| {
            wire().bytes(1, "x/google.protobuf.Any").bytes(2, inner).0
        })
    };
    assert!(write("google.protobuf.Any", &wire_any(40)).is_ok());
    assert!(write("google.protobuf.Any", &wire_any(101)).is_err());
    // What one side writes, the other reads.
    for depth in 1..=101 {
        for (name, json) in [
            ("google.protobuf.Value", list(depth)),
            ("google.protobuf.Value", object(depth)),
            ("google.protobuf.Any", any(depth)),
        ] {
            if let Ok(wire) = read(name, &json) {
                assert_eq!(write(name, &wire).as_deref(), Ok(&*json), "{depth}");
            }
        }
    }
}

#[test]
fn an_any_may_hold_what_may_stand_alone() {
    // Lists between messages are no levels of their own.
    let tree = nested_json(95, "{\"more\":[", "]}");
    let json = format!(
        r#"{{"@type":"x/google.protobuf.Any","value":{{"left":{tree},"@type":"x/rules.Tree"}}}}"#
    );
    read("google.protobuf.Any", &json).unwrap();
}

#[test]
fn what_is_skipped_is_limited_too() {
    let options = ReadOptions {
        ignore_unknown: true,
        ..ReadOptions::default()
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let json = |depth: usize| {
            format!(
                "{{\"nope\":{}1{}}}",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        assert!(read_with("Tree", json(90).as_bytes(), &options).is_ok());
        let error = read_with("Tree", json(1000).as_bytes(), &options).unwrap_err();
        assert!(error.to_string().contains("levels deep at byte"), "{error}");
        assert!(read_with("Tree", json(5_000_000).as_bytes(), &options).is_err());
    }
    let groups =
        |depth: usize| [[0x9b_u8, 0x06].repeat(depth), [0x9c, 0x06].repeat(depth)].concat();
    assert_eq!(write("Tree", &groups(90)).unwrap(), "{}");
    let error = write("Tree", &groups(5_000_000)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("$: groups are nested too deeply at byte "),
        "{error}"
    );
}

#[test]
fn ten_megabytes_of_brackets() {
    let options = ReadOptions {
        ignore_unknown: true,
        ..ReadOptions::default()
    };
    for name in [
        "Tree",
        "Lists",
        "WellKnown",
        "google.protobuf.Value",
        "google.protobuf.ListValue",
        "google.protobuf.Any",
    ] {
        for text in [
            "[",
            "{",
            "{\"a\":",
            "{\"value\":",
            "{\"more\":[",
            "{\"left\":",
            "{\"value\":[",
            "\"",
            "1",
            "\\",
            "-",
        ] {
            let json = text.repeat(10_000_000 / text.len() / 10);
            for json in [json.clone(), format!("{{\"value\":{json}")] {
                assert!(
                    read_with(name, json.as_bytes(), &options).is_err(),
                    "{name} {text}"
                );
            }
        }
        assert!(read_with(name, &b"[".repeat(10_000_000), &options).is_err());
    }
}

#[test]
fn bytes_that_nest_or_repeat_to_the_end() {
    for byte in 0..=255_u8 {
        let bytes = vec![byte; 100_000];
        for name in [
            "Tree",
            "Lists",
            "Maps",
            "WellKnown",
            "legacy.Legacy",
            "google.protobuf.Value",
        ] {
            let _ = write(name, &bytes);
        }
    }
}

#[test]
fn every_cut_of_a_message_is_an_error_or_a_message() {
    let json = r#"{"one":{"id":1,"name":"é\n"},"byName":{"k":{"doubleValue":-1.5e3,"boolValue":true}},"lists":{"int32s":[1,2]},"known":{"struct":{"a":[null]},"any":{"@type":"x/rules.Inner","id":1}}}"#;
    for end in 0..json.len() {
        if let Some(part) = json.as_bytes().get(..end) {
            assert!(
                read_with("Outer", part, &ReadOptions::default()).is_err(),
                "{end}"
            );
        }
    }
    let wire = read("Outer", json).unwrap();
    for end in 0..wire.len() {
        let _ = write("Outer", &wire[..end]);
    }
    assert!(write("Outer", &wire[..wire.len() - 1]).is_err());
}

#[test]
fn the_path_of_a_text_is_limited() {
    let path = vec!["left"; 200_000];
    let error = transcoder().text_to_field(
        message("Tree"),
        &path,
        "1",
        &mut Vec::new(),
        &ReadOptions::default(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "$: nested more than 100 levels deep at byte 0"
    );
    let path: Vec<&str> = std::iter::repeat_n("left", 99).chain(["value"]).collect();
    let mut out = Vec::new();
    transcoder()
        .text_to_field(
            message("Tree"),
            &path,
            "1",
            &mut out,
            &ReadOptions::default(),
        )
        .unwrap();
    assert!(write("Tree", &out).is_ok());
}

#[test]
fn lengths_beyond_one_byte() {
    for length in [127, 128, 16_383, 16_384, 2_097_152] {
        let text = "x".repeat(length);
        let json = format!(r#"{{"one":{{"name":"{text}"}}}}"#);
        let found = read("Outer", &json).unwrap();
        assert_eq!(found, wire().bytes(1, wire().bytes(2, &text)).0);
        assert_eq!(write("Outer", &found).unwrap(), json);
    }
    let error = read(
        "Scalars",
        &format!(r#"{{"int32Value":"{}"}}"#, "9".repeat(100_000)),
    )
    .unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
    // Long numbers are read to the end, not only to their first digits.
    let ones = format!("1.{}1", "0".repeat(3000));
    assert!(read("Scalars", &format!(r#"{{"int32Value":{ones}}}"#)).is_err());
    assert!(read("Scalars", &format!(r#"{{"doubleValue":{ones}}}"#)).is_ok());
}
