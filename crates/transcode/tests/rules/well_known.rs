//! The well-known types, each with its own form.

use crate::contract::{
    check_refusals, check_round_trips, check_texts, read, read_with, wire, write,
};
use portolan_transcode::ReadOptions;

#[test]
fn forms_that_are_taken() {
    check_round_trips(&[
        (
            "WellKnown",
            r#"{"timestamp":"2024-02-29T12:30:45.120Z"}"#,
            r#"{"timestamp":"2024-02-29T12:30:45.120Z"}"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"2024-01-01T01:00:00.1234-07:30"}"#,
            r#"{"timestamp":"2024-01-01T08:30:00.123400Z"}"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
            r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
            r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"1970-01-01T00:00:00Z"}"#,
            r#"{"timestamp":"1970-01-01T00:00:00Z"}"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"1.5s"}"#,
            r#"{"duration":"1.500s"}"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"-0.5s"}"#,
            r#"{"duration":"-0.500s"}"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"-315576000000s"}"#,
            r#"{"duration":"-315576000000s"}"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"315576000000.999999999s"}"#,
            r#"{"duration":"315576000000.999999999s"}"#,
        ),
        ("WellKnown", r#"{"duration":"0s"}"#, r#"{"duration":"0s"}"#),
        (
            "WellKnown",
            r#"{"fieldMask":"userName.firstPart,id"}"#,
            r#"{"fieldMask":"userName.firstPart,id"}"#,
        ),
        ("WellKnown", r#"{"fieldMask":""}"#, r#"{"fieldMask":""}"#),
        (
            "WellKnown",
            r#"{"struct":{"a":[1,"x",null,true,{}],"b":{"c":-0.5}}}"#,
            r#"{"struct":{"a":[1,"x",null,true,{}],"b":{"c":-0.5}}}"#,
        ),
        ("WellKnown", r#"{"struct":{}}"#, r#"{"struct":{}}"#),
        ("WellKnown", r#"{"listValue":[]}"#, r#"{"listValue":[]}"#),
        (
            "WellKnown",
            r#"{"listValue":[[],[[]]]}"#,
            r#"{"listValue":[[],[[]]]}"#,
        ),
        (
            "WellKnown",
            r#"{"value":{"a":1e300}}"#,
            r#"{"value":{"a":1e+300}}"#,
        ),
        ("WellKnown", r#"{"value":""}"#, r#"{"value":""}"#),
        ("WellKnown", r#"{"value":0}"#, r#"{"value":0}"#),
        ("WellKnown", r#"{"empty":{}}"#, r#"{"empty":{}}"#),
        (
            "WellKnown",
            r#"{"doubleWrapper":"NaN","floatWrapper":0.5}"#,
            r#"{"doubleWrapper":"NaN","floatWrapper":0.5}"#,
        ),
        (
            "WellKnown",
            r#"{"int64Wrapper":1,"uint64Wrapper":"2"}"#,
            r#"{"int64Wrapper":"1","uint64Wrapper":"2"}"#,
        ),
        (
            "WellKnown",
            r#"{"int32Wrapper":0,"uint32Wrapper":0,"boolWrapper":false,"stringWrapper":"","bytesWrapper":""}"#,
            r#"{"int32Wrapper":0,"uint32Wrapper":0,"boolWrapper":false,"stringWrapper":"","bytesWrapper":""}"#,
        ),
        (
            "WellKnown",
            r#"{"int64Wrappers":["0",1]}"#,
            r#"{"int64Wrappers":["0","1"]}"#,
        ),
        // At the top, too.
        (
            "google.protobuf.Timestamp",
            r#""1970-01-01T00:00:01Z""#,
            r#""1970-01-01T00:00:01Z""#,
        ),
        ("google.protobuf.Value", "null", "null"),
        ("google.protobuf.Struct", r#"{"a":1}"#, r#"{"a":1}"#),
        ("google.protobuf.Int64Value", "5", r#""5""#),
        ("google.protobuf.Empty", "{}", "{}"),
    ]);
}

#[test]
fn wire_of_the_forms() {
    for (json, expected) in [
        (r#"{"int32Wrapper":0}"#, wire().bytes(14, [])),
        (
            r#"{"int32Wrapper":1}"#,
            wire().bytes(14, wire().varint(1, 1)),
        ),
        (r#"{"empty":{}}"#, wire().bytes(8, [])),
        (r#"{"value":null}"#, wire().bytes(6, wire().varint(1, 0))),
        (r#"{"value":[]}"#, wire().bytes(6, wire().bytes(6, []))),
        (
            r#"{"fieldMask":"aB,c"}"#,
            wire().bytes(4, wire().bytes(1, "a_b").bytes(1, "c")),
        ),
        (
            r#"{"duration":"-1.5s"}"#,
            wire().bytes(
                3,
                wire()
                    .varint(1, -1_i64 as u64)
                    .varint(2, -500_000_000_i64 as u64),
            ),
        ),
        (
            r#"{"timestamp":"1969-12-31T23:59:59.5Z"}"#,
            wire().bytes(2, wire().varint(1, -1_i64 as u64).varint(2, 500_000_000)),
        ),
        (r#"{"optionalNull":null}"#, wire().varint(25, 0)),
    ] {
        assert_eq!(read("WellKnown", json).unwrap(), expected.0, "{json}");
    }
}

#[test]
fn any() {
    check_round_trips(&[
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1,"child":{}}}"#,
            r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1,"child":{}}}"#,
        ),
        // The type may come last, and escaped.
        (
            "WellKnown",
            r#"{"any":{"id":1,"\u0040type":"type.googleapis.com/rules.Inner"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.Inner"}}"#,
            r#"{"any":{"@type":"x/rules.Inner"}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"value":"1.5s","@type":"type.googleapis.com/google.protobuf.Duration"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":0}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":0}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"@type":1}}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"@type":1}}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/rules.Inner","id":1}}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/rules.Inner","id":1}}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/rules.WellKnown","anys":[{"@type":"type.googleapis.com/rules.Inner"}]}}"#,
            r#"{"any":{"@type":"type.googleapis.com/rules.WellKnown","anys":[{"@type":"type.googleapis.com/rules.Inner"}]}}"#,
        ),
        (
            "google.protobuf.Any",
            r#"{"@type":"type.googleapis.com/rules.Inner","id":2}"#,
            r#"{"@type":"type.googleapis.com/rules.Inner","id":2}"#,
        ),
        // Some implementations write Empty as a value, C++ as a plain message.
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#,
        ),
    ]);
    assert_eq!(
        write("WellKnown", &read("WellKnown", r#"{"any":{}}"#).unwrap()).unwrap(),
        r#"{"any":{}}"#
    );
}

#[test]
fn forms_that_are_refused() {
    check_refusals(&[
        (
            "WellKnown",
            r#"{"timestamp":"2024-01-01"}"#,
            r#"$.timestamp: "2024-01-01" is not an RFC 3339 timestamp between the years 1 and 9999 at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"2024-01-01T00:00:00z"}"#,
            r#"$.timestamp: "2024-01-01T00:00:00z" is not an RFC 3339 timestamp between the years 1 and 9999 at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"0000-12-31T23:59:59Z"}"#,
            r#"$.timestamp: "0000-12-31T23:59:59Z" is not an RFC 3339 timestamp between the years 1 and 9999 at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":"9999-12-31T23:59:59-00:01"}"#,
            r#"$.timestamp: "9999-12-31T23:59:59-00:01" is not an RFC 3339 timestamp between the years 1 and 9999 at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":0}"#,
            r#"$.timestamp: expected an RFC 3339 string, found a number at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"timestamp":{"seconds":0}}"#,
            r#"$.timestamp: expected an RFC 3339 string, found an object at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"1"}"#,
            r#"$.duration: "1" is not a duration in seconds, such as "1.5s" at byte 12"#,
        ),
        (
            "WellKnown",
            r#"{"duration":"315576000001s"}"#,
            r#"$.duration: "315576000001s" is not a duration in seconds, such as "1.5s" at byte 12"#,
        ),
        (
            "WellKnown",
            r#"{"duration":1}"#,
            r#"$.duration: expected a duration string, found a number at byte 12"#,
        ),
        (
            "WellKnown",
            r#"{"fieldMask":"user_name"}"#,
            r#"$.fieldMask: "user_name" is not a field path in lowerCamelCase at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"fieldMask":"a,,b"}"#,
            r#"$.fieldMask: "" is not a field path in lowerCamelCase at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"fieldMask":["a"]}"#,
            r#"$.fieldMask: expected a field mask string, found an array at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"struct":[]}"#,
            r#"$.struct: expected an object, found an array at byte 10"#,
        ),
        (
            "WellKnown",
            r#"{"listValue":{}}"#,
            r#"$.listValue: expected an array, found an object at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"value":NaN}"#,
            r#"$.value: expected a JSON value, found no JSON value at byte 9"#,
        ),
        (
            "WellKnown",
            r#"{"value":{"a":[1,1e999]}}"#,
            r#"$.value["a"][1]: "1e999" is not a double at byte 17"#,
        ),
        (
            "WellKnown",
            r#"{"empty":{"a":1}}"#,
            r#"$.empty: unknown field `a` in google.protobuf.Empty at byte 14"#,
        ),
        (
            "WellKnown",
            r#"{"empty":1}"#,
            r#"$.empty: expected an object, found a number at byte 9"#,
        ),
        (
            "WellKnown",
            r#"{"nullValue":"NULL"}"#,
            r#"$.nullValue: "NULL" is not a value of the enum at byte 13"#,
        ),
        (
            "WellKnown",
            r#"{"int32Wrapper":{"value":1}}"#,
            r#"$.int32Wrapper: expected an integer, found an object at byte 16"#,
        ),
        (
            "WellKnown",
            r#"{"boolWrapper":"true"}"#,
            r#"$.boolWrapper: expected true or false, found a string at byte 15"#,
        ),
        (
            "WellKnown",
            r#"{"int64Wrappers":[null]}"#,
            r#"$.int64Wrappers[0]: expected a value, found null at byte 18"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"id":1}}"#,
            r#"$.any: required field `@type` is missing at byte 7"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":""}}"#,
            r#"$.any.@type: "" is not a type URL, such as "type.googleapis.com/package.Type" at byte 16"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"rules.Inner"}}"#,
            r#"$.any.@type: "rules.Inner" is not a type URL, such as "type.googleapis.com/package.Type" at byte 16"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/"}}"#,
            r#"$.any.@type: "type.googleapis.com/" is not a type URL, such as "type.googleapis.com/package.Type" at byte 16"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"type.googleapis.com/rules.Nope"}}"#,
            r#"$.any: the contracts do not define the type `type.googleapis.com/rules.Nope` at byte 7"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":1}}"#,
            r#"$.any.@type: expected a type URL, found a number at byte 16"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.Inner","@type":"x/rules.Inner"}}"#,
            r#"$.any: `@type` is there twice at byte 40"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.Inner","id":1,"id":1}}"#,
            r#"$.any.id: `id` is there twice at byte 44"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.Inner","child":{"id":"x"}}}"#,
            r#"$.any.child.id: "x" is not a 32-bit integer at byte 46"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.Inner","nope":1}}"#,
            r#"$.any: unknown field `nope` in rules.Inner at byte 39"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#,
            r#"$.any: required field `value` is missing at byte 45"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/google.protobuf.Duration","value":1}}"#,
            r#"$.any.value: expected a duration string, found a number at byte 53"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}"#,
            r#"$.any: `value` is there twice at byte 66"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/google.protobuf.Empty","value":1}}"#,
            r#"$.any.value: expected an object, found a number at byte 50"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/google.protobuf.Empty","value":{"a":1}}}"#,
            r#"$.any.value: unknown field `a` in google.protobuf.Empty at byte 55"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/legacy.Needy"}}"#,
            r#"$.any: the contracts do not define the type `x/legacy.Needy` at byte 7"#,
        ),
        (
            "WellKnown",
            r#"{"any":{"@type":"x/rules.legacy.Needy"}}"#,
            r#"$.any: required field `must` is missing at byte 39"#,
        ),
        (
            "WellKnown",
            r#"{"any":1}"#,
            r#"$.any: expected an object, found a number at byte 7"#,
        ),
        (
            "google.protobuf.Int32Value",
            "null",
            r#"$: expected an integer, found null at byte 0"#,
        ),
        (
            "google.protobuf.Struct",
            "null",
            r#"$: expected an object, found null at byte 0"#,
        ),
        (
            "google.protobuf.Any",
            "null",
            r#"$: expected an object, found null at byte 0"#,
        ),
    ]);
    let options = ReadOptions {
        ignore_unknown: true,
        ..ReadOptions::default()
    };
    for json in [
        r#"{"@type":"x/rules.Inner","y":tru}"#,
        r#"{"y":"\ud800","@type":"x/rules.Inner"}"#,
    ] {
        assert!(
            read_with("google.protobuf.Any", json.as_bytes(), &options).is_err(),
            "{json}"
        );
    }
}

#[test]
fn wire_that_json_cannot_say() {
    let mut found = Vec::new();
    let nan = wire().fixed64(2, f64::NAN.to_bits());
    let infinity = wire().fixed64(2, f64::INFINITY.to_bits());
    for (name, bytes, expected) in [
        (
            "google.protobuf.Timestamp",
            wire().varint(1, 253_402_300_800),
            "$: 253402300800s 0ns is not a timestamp between the years 1 and 9999 at byte 0",
        ),
        (
            "google.protobuf.Timestamp",
            wire().varint(2, 1_000_000_000),
            "$: 0s 1000000000ns is not a timestamp between the years 1 and 9999 at byte 0",
        ),
        (
            "google.protobuf.Timestamp",
            wire().varint(2, -1_i64 as u64),
            "$: 0s -1ns is not a timestamp between the years 1 and 9999 at byte 0",
        ),
        (
            "google.protobuf.Duration",
            wire().varint(1, 315_576_000_001),
            "$: 315576000001s 0ns is not a duration within 10,000 years, with one sign at byte 0",
        ),
        (
            "google.protobuf.Duration",
            wire().varint(1, 1).varint(2, -1_i64 as u64),
            "$: 1s -1ns is not a duration within 10,000 years, with one sign at byte 0",
        ),
        (
            "google.protobuf.Value",
            wire(),
            "$: a google.protobuf.Value without a value at byte 0",
        ),
        (
            "google.protobuf.Value",
            nan,
            "$: a google.protobuf.Value of NaN or Infinity, which JSON has no number for at byte 0",
        ),
        (
            "google.protobuf.ListValue",
            wire().bytes(1, infinity),
            "$[0]: a google.protobuf.Value of NaN or Infinity, which JSON has no number for at byte 2",
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, "aB"),
            r#"$: "aB" is not a field path that has a form in lowerCamelCase at byte 0"#,
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, "a__b"),
            r#"$: "a__b" is not a field path that has a form in lowerCamelCase at byte 0"#,
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, "a_3"),
            r#"$: "a_3" is not a field path that has a form in lowerCamelCase at byte 0"#,
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, "a,b"),
            r#"$: "a,b" is not a field path that has a form in lowerCamelCase at byte 0"#,
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, "a").bytes(1, ""),
            r#"$: "" is not a field path that has a form in lowerCamelCase at byte 3"#,
        ),
        (
            "google.protobuf.FieldMask",
            wire().bytes(1, b"\xff"),
            r#"$: "�" is not a field path that has a form in lowerCamelCase at byte 0"#,
        ),
        (
            "google.protobuf.Any",
            wire().bytes(1, "x/rules.Nope"),
            "$: the contracts do not define the type `x/rules.Nope` at byte 0",
        ),
        (
            "google.protobuf.Any",
            wire().bytes(1, "rules.Inner"),
            "$: the contracts do not define the type `rules.Inner` at byte 0",
        ),
        (
            "google.protobuf.Any",
            wire().bytes(2, "x"),
            "$: the contracts do not define the type `` at byte 0",
        ),
        (
            "google.protobuf.Any",
            wire().bytes(1, b"\xff/rules.Inner"),
            "$: a string that is not UTF-8 at byte 2",
        ),
        (
            "google.protobuf.Any",
            wire().bytes(1, "x/rules.Inner").bytes(2, b"\x08"),
            "$: the message ends in the middle of a value at byte 18",
        ),
        (
            "google.protobuf.StringValue",
            wire().bytes(1, b"\xff"),
            "$: a string that is not UTF-8 at byte 2",
        ),
    ] {
        found.push((write(name, &bytes.0).unwrap_err().to_string(), expected));
    }
    check_texts(&found);
}

#[test]
fn the_last_number_of_a_value_is_judged() {
    let number = |bits: f64| wire().fixed64(2, bits.to_bits()).0;
    let list = |value: &[u8]| wire().bytes(1, value).0;
    let good = [number(f64::NAN), number(1.0)].concat();
    let wrong = [number(1.0), number(f64::NAN)].concat();
    assert_eq!(write("google.protobuf.Value", &good).unwrap(), "1");
    assert_eq!(
        write("google.protobuf.ListValue", &list(&good)).unwrap(),
        "[1]"
    );
    let refusal = "a google.protobuf.Value of NaN or Infinity, which JSON has no number for";
    for (name, bytes, place) in [
        ("google.protobuf.Value", wrong.clone(), "$: at byte 9"),
        (
            "google.protobuf.ListValue",
            list(&wrong),
            "$[0]: at byte 11",
        ),
    ] {
        let error = write(name, &bytes).unwrap_err().to_string();
        assert_eq!(error.replace(&format!("{refusal} "), ""), place);
    }
}
