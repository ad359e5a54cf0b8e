//! Fields from plain text, as paths and query strings carry it, and from a
//! JSON value of their own.

use crate::contract::{check_texts, message, transcoder, wire, write};
use portolan_transcode::ReadOptions;

fn text(name: &str, path: &str, text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let path: Vec<&str> = path.split('/').collect();
    transcoder()
        .text_to_field(
            message(name),
            &path,
            text,
            &mut out,
            &ReadOptions::default(),
        )
        .map(|()| write(name, &out).unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn text_that_is_taken() {
    for (name, path, value, expected) in [
        ("Scalars", "int32_value", "5", r#"{"int32Value":5}"#),
        ("Scalars", "int32Value", "-5", r#"{"int32Value":-5}"#),
        // On the wire even where it is the default (see `calls_add_up`), but
        // in JSON it is then as good as absent.
        ("Scalars", "int32_value", "0", "{}"),
        ("Optionals", "int32_value", "0", r#"{"int32Value":0}"#),
        (
            "Scalars",
            "int64_value",
            "9223372036854775807",
            r#"{"int64Value":"9223372036854775807"}"#,
        ),
        (
            "Scalars",
            "uint64_value",
            "18446744073709551615",
            r#"{"uint64Value":"18446744073709551615"}"#,
        ),
        (
            "Scalars",
            "double_value",
            "1.5e3",
            r#"{"doubleValue":1500}"#,
        ),
        ("Scalars", "double_value", "NaN", r#"{"doubleValue":"NaN"}"#),
        (
            "Scalars",
            "float_value",
            "-Infinity",
            r#"{"floatValue":"-Infinity"}"#,
        ),
        ("Scalars", "bool_value", "true", r#"{"boolValue":true}"#),
        ("Optionals", "bool_value", "false", r#"{"boolValue":false}"#),
        (
            "Scalars",
            "string_value",
            "null",
            r#"{"stringValue":"null"}"#,
        ),
        ("Optionals", "string_value", "", r#"{"stringValue":""}"#),
        (
            "Scalars",
            "string_value",
            "a \"b\"\n\\é",
            r#"{"stringValue":"a \"b\"\n\\é"}"#,
        ),
        ("Scalars", "bytes_value", "-_8", r#"{"bytesValue":"+/8="}"#),
        ("Scalars", "color", "RED", r#"{"color":"RED"}"#),
        ("Scalars", "color", "-3", r#"{"color":"BLUE"}"#),
        ("Scalars", "color", "99", r#"{"color":99}"#),
        (
            "Scalars",
            "inner/child/name",
            "x",
            r#"{"inner":{"child":{"name":"x"}}}"#,
        ),
        ("Lists", "strings", "a", r#"{"strings":["a"]}"#),
        ("Lists", "int32s", "7", r#"{"int32s":[7]}"#),
        ("Lists", "colors", "RED", r#"{"colors":["RED"]}"#),
        ("Maps", "strings/a.b", "x", r#"{"strings":{"a.b":"x"}}"#),
        ("Maps", "int32_keys/-1", "2", r#"{"int32Keys":{"-1":2}}"#),
        ("Maps", "bool_keys/true", "", r#"{"boolKeys":{"true":""}}"#),
        (
            "Maps",
            "times/t",
            "1970-01-01T00:00:00Z",
            r#"{"times":{"t":"1970-01-01T00:00:00Z"}}"#,
        ),
        ("Maps", "wrapped/w", "3", r#"{"wrapped":{"w":3}}"#),
        (
            "Outer",
            "maps/strings/k",
            "v",
            r#"{"maps":{"strings":{"k":"v"}}}"#,
        ),
        ("Choice", "text", "x", r#"{"text":"x"}"#),
        (
            "WellKnown",
            "timestamp",
            "2024-01-01T00:00:00Z",
            r#"{"timestamp":"2024-01-01T00:00:00Z"}"#,
        ),
        ("WellKnown", "duration", "1.5s", r#"{"duration":"1.500s"}"#),
        ("WellKnown", "field_mask", "aB,c", r#"{"fieldMask":"aB,c"}"#),
        ("WellKnown", "int64_wrapper", "5", r#"{"int64Wrapper":"5"}"#),
        (
            "WellKnown",
            "bool_wrapper",
            "true",
            r#"{"boolWrapper":true}"#,
        ),
        ("WellKnown", "string_wrapper", "", r#"{"stringWrapper":""}"#),
        (
            "WellKnown",
            "timestamps",
            "1970-01-01T00:00:00Z",
            r#"{"timestamps":["1970-01-01T00:00:00Z"]}"#,
        ),
        ("legacy.Legacy", "part/b", "x", r#"{"part":{"b":"x"}}"#),
        (
            "legacy.Legacy",
            "part/deeper/part/a",
            "1",
            r#"{"part":{"deeper":{"part":{"a":1}}}}"#,
        ),
        (
            "old.Set",
            "[rules.old.Item.item]/inner/[rules.old.Item.item]/id",
            "7",
            r#"{"[rules.old.Item.item]":{"inner":{"[rules.old.Item.item]":{"id":7}}}}"#,
        ),
        (
            "legacy.Legacy",
            "[rules.legacy.extra]",
            "1",
            r#"{"[rules.legacy.extra]":1}"#,
        ),
    ] {
        assert_eq!(
            text(name, path, value).as_deref(),
            Ok(expected),
            "{path} {value}"
        );
    }
}

#[test]
fn calls_add_up() {
    let mut out = Vec::new();
    for (path, value) in [
        (&["one", "id"][..], "1"),
        (&["lists", "strings"], "a"),
        (&["one", "name"], "x"),
        (&["lists", "strings"], "b"),
        (&["maps", "strings", "k"], "v"),
        (&["one", "id"], "0"),
        (&["maps", "strings", "l"], "w"),
    ] {
        transcoder()
            .text_to_field(
                message("Outer"),
                path,
                value,
                &mut out,
                &ReadOptions::default(),
            )
            .unwrap();
    }
    assert_eq!(
        write("Outer", &out).unwrap(),
        r#"{"one":{"name":"x"},"lists":{"strings":["a","b"]},"maps":{"strings":{"k":"v","l":"w"}}}"#
    );
}

#[test]
fn text_that_is_refused() {
    let mut found = Vec::new();
    for (name, path, value, expected) in [
        (
            "Scalars",
            "nope",
            "5",
            "$: unknown field `nope` in rules.Scalars at byte 0",
        ),
        (
            "Scalars",
            "inner/nope",
            "5",
            "$.inner: unknown field `nope` in rules.Inner at byte 0",
        ),
        (
            "Scalars",
            "inner",
            "5",
            "$.inner: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "Scalars",
            "int32_value/x",
            "5",
            "$: unknown field `int32_value.x` in rules.Scalars at byte 0",
        ),
        (
            "Scalars",
            "int32_value",
            "x",
            r#"$.int32Value: "x" is not a 32-bit integer at byte 0"#,
        ),
        (
            "Scalars",
            "int32_value",
            "",
            r#"$.int32Value: "" is not a 32-bit integer at byte 0"#,
        ),
        (
            "Scalars",
            "int32_value",
            " 1",
            r#"$.int32Value: " 1" is not a 32-bit integer at byte 0"#,
        ),
        (
            "Scalars",
            "int32_value",
            "1 ",
            r#"$.int32Value: "1 " is not a 32-bit integer at byte 0"#,
        ),
        (
            "Scalars",
            "bool_value",
            "",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "bool_value",
            "1",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "bool_value",
            " true",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "bool_value",
            "true ",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "bool_value",
            "null",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "bool_value",
            "[]",
            "$.boolValue: expected true or false, found a string at byte 0",
        ),
        (
            "Scalars",
            "color",
            "MAUVE",
            r#"$.color: "MAUVE" is not a value of the enum at byte 0"#,
        ),
        (
            "Scalars",
            "color",
            "1,2",
            r#"$.color: "1,2" is not a value of the enum at byte 0"#,
        ),
        (
            "Scalars",
            "color",
            "1 ",
            r#"$.color: "1 " is not a value of the enum at byte 0"#,
        ),
        (
            "Scalars",
            "color",
            "-",
            r#"$.color: "-" is not a value of the enum at byte 0"#,
        ),
        (
            "Scalars",
            "color",
            "",
            r#"$.color: "" is not a value of the enum at byte 0"#,
        ),
        (
            "Scalars",
            "bytes_value",
            "!",
            r#"$.bytesValue: "!" is not base64 at byte 0"#,
        ),
        (
            "Lists",
            "inners",
            "5",
            "$.inners: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "Lists",
            "inners/id",
            "5",
            "$: unknown field `inners.id` in rules.Lists at byte 0",
        ),
        (
            "Maps",
            "strings",
            "x",
            "$.strings: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "Maps",
            "int32_keys/x",
            "1",
            r#"$.int32Keys: "x" is not a key of this map at byte 0"#,
        ),
        (
            "Maps",
            "int32_keys/1",
            "x",
            r#"$.int32Keys["1"]: "x" is not a 32-bit integer at byte 0"#,
        ),
        (
            "Maps",
            "inners/k",
            "x",
            "$.inners: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "Maps",
            "inners/k/id",
            "1",
            "$: unknown field `inners.k.id` in rules.Maps at byte 0",
        ),
        (
            "WellKnown",
            "struct",
            "{}",
            "$.struct: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "WellKnown",
            "value",
            "1",
            "$.value: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "WellKnown",
            "any",
            "x",
            "$.any: expected a field that text can fill, found a message at byte 0",
        ),
        (
            "WellKnown",
            "timestamp",
            "now",
            r#"$.timestamp: "now" is not an RFC 3339 timestamp between the years 1 and 9999 at byte 0"#,
        ),
        (
            "WellKnown",
            "bool_wrapper",
            "null",
            "$.boolWrapper: expected true or false, found a string at byte 0",
        ),
        (
            "WellKnown",
            "bool_wrapper",
            "true ",
            "$.boolWrapper: expected true or false, found a string at byte 0",
        ),
    ] {
        found.push((text(name, path, value).unwrap_err(), expected));
    }
    let empty: [&str; 0] = [];
    let error = transcoder().text_to_field(
        message("Inner"),
        &empty,
        "",
        &mut Vec::new(),
        &ReadOptions::default(),
    );
    found.push((
        error.unwrap_err().to_string(),
        "$: unknown field `` in rules.Inner at byte 0",
    ));
    check_texts(&found);
}

#[test]
fn unknown_enum_names_are_passed_over_on_request() {
    let options = ReadOptions {
        ignore_unknown: true,
        ..ReadOptions::default()
    };
    for (name, path) in [
        ("Scalars", &["color"][..]),
        ("Maps", &["colors", "k"]),
        ("Lists", &["colors"]),
    ] {
        let mut out = Vec::new();
        transcoder()
            .text_to_field(message(name), path, "MAUVE", &mut out, &options)
            .unwrap();
        assert_eq!(out, b"", "{path:?}");
    }
}

#[test]
fn one_field_from_json() {
    let field = |name: &str, field: &str, json: &str| {
        let mut out = Vec::new();
        transcoder()
            .json_to_field(
                message(name),
                field,
                json.as_bytes(),
                &mut out,
                &ReadOptions::default(),
            )
            .map(|()| out)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        field("Outer", "one", r#"{"id":1}"#).unwrap(),
        wire().bytes(1, wire().varint(1, 1)).0
    );
    assert_eq!(
        field("Outer", "many", r#"[{}]"#).unwrap(),
        wire().bytes(2, []).0
    );
    assert_eq!(
        field("Outer", "byName", r#"{"k":{}}"#).unwrap(),
        wire().bytes(3, wire().bytes(1, "k").bytes(2, [])).0
    );
    assert_eq!(
        field("Scalars", "string_value", r#""x""#).unwrap(),
        wire().bytes(14, "x").0
    );
    assert_eq!(
        field("Lists", "int32s", " [1] ").unwrap(),
        wire().bytes(3, [1]).0
    );
    assert_eq!(field("Outer", "one", "null").unwrap(), b"");
    assert_eq!(
        field("WellKnown", "value", "null").unwrap(),
        wire().bytes(6, wire().varint(1, 0)).0
    );
    check_texts(&[
        (
            field("Outer", "nope", "1").unwrap_err(),
            "$: unknown field `nope` in rules.Outer at byte 0",
        ),
        (
            field("Outer", "one", r#"{"id":"x"}"#).unwrap_err(),
            r#"$.id: "x" is not a 32-bit integer at byte 6"#,
        ),
        (
            field("Outer", "many", r#"[{},1]"#).unwrap_err(),
            "$[1]: expected an object, found a number at byte 4",
        ),
        (
            field("Outer", "one", r#"{} {}"#).unwrap_err(),
            "$: trailing characters at byte 3",
        ),
        (
            field("Outer", "one", "").unwrap_err(),
            "$: the JSON ends inside a value at byte 0",
        ),
    ]);
}
