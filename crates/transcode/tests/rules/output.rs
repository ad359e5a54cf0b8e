//! What the options of writing change, and single fields as JSON.

use crate::contract::{message, read, transcoder, wire, write_with};
use portolan_transcode::{Level, PrintDefaults, Transcoder, WriteOptions};

fn written(name: &str, json: &str, options: &WriteOptions) -> String {
    write_with(name, &read(name, json).unwrap(), options).unwrap()
}

#[test]
fn proto_names() {
    let options = WriteOptions {
        proto_names: true,
        ..WriteOptions::default()
    };
    assert_eq!(
        written(
            "Scalars",
            r#"{"int32Value":1,"@other name":"x","Leading":1}"#,
            &options
        ),
        r#"{"int32_value":1,"renamed":"x","_leading":1}"#
    );
    assert_eq!(
        written(
            "legacy.Legacy",
            r#"{"[rules.legacy.extra]":1,"withDefault":2}"#,
            &options
        ),
        r#"{"[rules.legacy.extra]":1,"with_default":2}"#
    );
}

#[test]
fn enums_as_numbers() {
    let options = WriteOptions {
        enums_as_numbers: true,
        ..WriteOptions::default()
    };
    assert_eq!(
        written("Scalars", r#"{"color":"BLUE","shade":"MURKY"}"#, &options),
        r#"{"color":-3,"shade":1}"#
    );
    assert_eq!(
        written("Maps", r#"{"colors":{"a":"RED"}}"#, &options),
        r#"{"colors":{"a":1}}"#
    );
    assert_eq!(
        written("Choice", r#"{"nothing":null}"#, &options),
        r#"{"nothing":null}"#
    );
}

#[test]
fn print_defaults() {
    let options = WriteOptions {
        print_defaults: PrintDefaults::WithoutPresence,
        ..WriteOptions::default()
    };
    assert_eq!(
        written("Scalars", "{}", &options),
        concat!(
            r#"{"doubleValue":0,"floatValue":0,"int32Value":0,"int64Value":"0","uint32Value":0,"uint64Value":"0","#,
            r#""sint32Value":0,"sint64Value":"0","fixed32Value":0,"fixed64Value":"0","sfixed32Value":0,"#,
            r#""sfixed64Value":"0","boolValue":false,"stringValue":"","bytesValue":"","color":"COLOR_UNSPECIFIED","#,
            r#""shade":"SHADE_NONE","@other name":"","fieldWithCapitals":"","Leading":0,"withTwo3":0,"far":0}"#
        )
    );
    // Nothing that has presence.
    for name in ["Optionals", "Choice"] {
        assert_eq!(written(name, "{}", &options), "{}");
    }
    assert_eq!(
        written("legacy.Needy", r#"{"must":1}"#, &options),
        r#"{"must":1,"list":[]}"#
    );
    assert_eq!(
        written("Outer", r#"{"one":{"id":1}}"#, &options),
        r#"{"one":{"id":1,"name":""},"many":[],"byName":{}}"#
    );
    // In an Any, too; and nothing of the form of a well-known type.
    assert_eq!(
        written(
            "google.protobuf.Any",
            r#"{"@type":"x/rules.Inner"}"#,
            &options
        ),
        r#"{"@type":"x/rules.Inner","id":0,"name":""}"#
    );
    assert_eq!(written("google.protobuf.Struct", "{}", &options), "{}");
    // Both ways through the writer.
    let sorted = wire().bytes(2, "a").varint(1, 1).bytes(2, "b").0;
    assert_eq!(
        write_with("Inner", &sorted, &options).unwrap(),
        r#"{"id":1,"name":"b"}"#
    );
    let numbers = WriteOptions {
        enums_as_numbers: true,
        proto_names: true,
        ..options
    };
    assert!(written("Scalars", "{}", &numbers).contains(r#""color":0,"shade":0,"renamed":"""#));
}

#[test]
fn print_defaults_with_presence() {
    let options = WriteOptions {
        print_defaults: PrintDefaults::All,
        ..WriteOptions::default()
    };
    assert_eq!(
        written("Inner", "{}", &options),
        r#"{"id":0,"name":"","child":null}"#
    );
    assert_eq!(
        written(
            "Inner",
            r#"{"child":{"name":"x","child":{"id":1}}}"#,
            &options
        ),
        concat!(
            r#"{"child":{"name":"x","child":{"id":1,"name":"","child":null},"id":0},"#,
            r#""id":0,"name":""}"#
        )
    );
    assert_eq!(
        written("Optionals", "{}", &options),
        concat!(
            r#"{"doubleValue":null,"floatValue":null,"int32Value":null,"int64Value":null,"#,
            r#""uint64Value":null,"boolValue":null,"stringValue":null,"bytesValue":null,"#,
            r#""color":null,"inner":null}"#
        )
    );
    // Members of a oneof and extensions are left out.
    assert_eq!(written("Choice", "{}", &options), "{}");
    assert_eq!(
        written("Choice", r#"{"left":0}"#, &options),
        r#"{"left":0}"#
    );
    assert!(!written("legacy.Legacy", "{}", &options).contains("]\":null"));
    assert!(written("legacy.Legacy", "{}", &options).contains(r#""closed":null"#));
    // The careful pass agrees.
    let pieces = wire().bytes(2, "a").varint(1, 1).bytes(2, "b").0;
    assert_eq!(
        write_with("Inner", &pieces, &options).unwrap(),
        r#"{"id":1,"name":"b","child":null}"#
    );
}

#[test]
fn what_was_there_before_stays() {
    let options = WriteOptions::default();
    // In order; a field in pieces, for which the writing begins anew; and wrong.
    for (bytes, expected) in [
        (wire().varint(1, 1).0, Some(r#"before{"id":1}"#)),
        (
            wire().bytes(2, "a").varint(1, 1).bytes(2, "b").0,
            Some(r#"before{"id":1,"name":"b"}"#),
        ),
        (wire().bytes(2, "a").bytes(2, b"\xff").0, None),
    ] {
        let mut out = b"before".to_vec();
        let result = transcoder().wire_to_json(message("Inner"), &bytes, &mut out, &options);
        assert_eq!(result.is_ok(), expected.is_some());
        match expected {
            Some(expected) => assert_eq!(out, expected.as_bytes()),
            None => assert!(out.starts_with(b"before")),
        }
    }
}

#[test]
fn every_level_of_instructions_writes_the_same() {
    let options = WriteOptions::default();
    for level in [Level::Plain, Level::Baseline, Level::Widest] {
        let transcoder = Transcoder::with_level(transcoder().schema().clone(), level);
        for length in (0..100).chain([1_000, 10_000]) {
            let plain = "x".repeat(length);
            for middle in ["", "\"", "\\", "\n", "\u{1f}", "é", "港\t🧭", "\u{7f}"] {
                let text = format!("{plain}{middle}{plain}");
                let bytes = wire().bytes(14, &text).bytes(15, "z").0;
                let mut out = Vec::new();
                transcoder
                    .wire_to_json(message("Optionals"), &bytes, &mut out, &options)
                    .unwrap();
                let expected = serde_json::json!({"stringValue": text, "bytesValue": "eg=="});
                let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(found, expected, "{level:?} {length} {middle:?}");
            }
        }
    }
}

#[test]
fn indent() {
    let options = WriteOptions {
        indent: Some(2),
        ..WriteOptions::default()
    };
    assert_eq!(written("Scalars", "{}", &options), "{}");
    assert_eq!(
        written(
            "Outer",
            r#"{"one":{"id":1,"child":{}},"many":[{},{"id":2}],"byName":{"k":{"int32Value":3}},"lists":{"int32s":[1,2]}}"#,
            &options
        ),
        r#"{
  "one": {
    "id": 1,
    "child": {}
  },
  "many": [
    {},
    {
      "id": 2
    }
  ],
  "byName": {
    "k": {
      "int32Value": 3
    }
  },
  "lists": {
    "int32s": [
      1,
      2
    ]
  }
}"#
    );
    assert_eq!(
        written(
            "google.protobuf.Any",
            r#"{"@type":"x/google.protobuf.Struct","value":{"a":[1],"b":{}}}"#,
            &options
        ),
        "{\n  \"@type\": \"x/google.protobuf.Struct\",\n  \"value\": {\n    \"a\": [\n      1\n    ],\n    \"b\": {}\n  }\n}"
    );
    let lines = WriteOptions {
        indent: Some(0),
        ..WriteOptions::default()
    };
    assert_eq!(written("Inner", r#"{"id":1}"#, &lines), "{\n\"id\": 1\n}");
}

#[test]
fn one_field_as_json() {
    let field = |name: &str, field: &str, json: &str| {
        let wire = read(name, json).unwrap();
        let mut out = Vec::new();
        transcoder()
            .field_to_json(
                message(name),
                field,
                &wire,
                &mut out,
                &WriteOptions::default(),
            )
            .map(|()| String::from_utf8(out).unwrap())
            .map_err(|error| error.to_string())
    };
    let outer = r#"{"one":{"id":1},"many":[{"id":2}],"byName":{"k":{}}}"#;
    assert_eq!(field("Outer", "one", outer).unwrap(), r#"{"id":1}"#);
    assert_eq!(field("Outer", "many", outer).unwrap(), r#"[{"id":2}]"#);
    assert_eq!(field("Outer", "by_name", outer).unwrap(), r#"{"k":{}}"#);
    assert_eq!(field("Outer", "byName", outer).unwrap(), r#"{"k":{}}"#);
    assert_eq!(
        field("Scalars", "int64_value", r#"{"int64Value":1}"#).unwrap(),
        r#""1""#
    );
    // What is not there is its default.
    for (name, expected) in [("one", "null"), ("many", "[]"), ("by_name", "{}")] {
        assert_eq!(field("Outer", name, "{}").unwrap(), expected);
    }
    for (name, expected) in [
        ("int64_value", r#""0""#),
        ("string_value", r#""""#),
        ("color", r#""COLOR_UNSPECIFIED""#),
        ("bool_value", "false"),
        ("float_value", "0"),
    ] {
        assert_eq!(field("Scalars", name, "{}").unwrap(), expected);
    }
    assert_eq!(
        field("Outer", "nope", "{}").unwrap_err(),
        "$: unknown field `nope` in rules.Outer at byte 0"
    );
    // Merged and picked as within a message.
    let mut out = Vec::new();
    let bytes = wire()
        .bytes(1, wire().varint(1, 1))
        .bytes(4, [])
        .bytes(1, wire().bytes(2, "x"))
        .0;
    transcoder()
        .field_to_json(
            message("Outer"),
            "one",
            &bytes,
            &mut out,
            &WriteOptions::default(),
        )
        .unwrap();
    assert_eq!(out, br#"{"id":1,"name":"x"}"#);
    // The last member of a oneof is the one that is there.
    let both = wire().varint(1, 1).bytes(2, "x").0;
    for (name, expected) in [("number", "0"), ("text", r#""x""#), ("left", "0")] {
        let mut out = Vec::new();
        transcoder()
            .field_to_json(
                message("Choice"),
                name,
                &both,
                &mut out,
                &WriteOptions::default(),
            )
            .unwrap();
        assert_eq!(out, expected.as_bytes());
    }
    // A closed enum's unknown number is not there.
    let mut out = Vec::new();
    transcoder()
        .field_to_json(
            message("legacy.Legacy"),
            "closed",
            &wire().varint(3, 9).0,
            &mut out,
            &WriteOptions::default(),
        )
        .unwrap();
    assert_eq!(out, br#""ONE""#);
}

#[test]
fn a_field_that_is_not_there_has_the_default_of_its_contract() {
    for (name, expected) in [
        ("a", "-7"),
        ("b", r#""18446744073709551615""#),
        ("c", r#""-Infinity""#),
        ("d", "1.5"),
        ("e", "true"),
        ("f", r#""a\"b""#),
        ("g", r#""AP94""#),
        ("h", r#""HIGH""#),
        ("i", r#""LOW""#),
        ("j", r#""-1""#),
    ] {
        let mut out = Vec::new();
        transcoder()
            .field_to_json(
                message("old.Defaults"),
                name,
                &[],
                &mut out,
                &WriteOptions::default(),
            )
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{name}");
    }
}
