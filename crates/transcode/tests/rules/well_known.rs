//! The well-known types, each with its own form.

use crate::contract::{check_refusals, check_round_trips, read, read_with, wire, write};
use portolan_transcode::ReadOptions;

#[test]
fn forms_that_are_taken() {
    check_round_trips(&[
        ("WellKnown", r#"{"timestamp":"2024-02-29T12:30:45.120Z"}"#, r#"{"timestamp":"2024-02-29T12:30:45.120Z"}"#),
        ("WellKnown", r#"{"timestamp":"2024-01-01T01:00:00.1234-07:30"}"#, r#"{"timestamp":"2024-01-01T08:30:00.123400Z"}"#),
        ("WellKnown", r#"{"timestamp":"0001-01-01T00:00:00Z"}"#, r#"{"timestamp":"0001-01-01T00:00:00Z"}"#),
        ("WellKnown", r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#, r#"{"timestamp":"9999-12-31T23:59:59.999999999Z"}"#),
        ("WellKnown", r#"{"timestamp":"1970-01-01T00:00:00Z"}"#, r#"{"timestamp":"1970-01-01T00:00:00Z"}"#),
        ("WellKnown", r#"{"duration":"1.5s"}"#, r#"{"duration":"1.500s"}"#),
        ("WellKnown", r#"{"duration":"-0.5s"}"#, r#"{"duration":"-0.500s"}"#),
        ("WellKnown", r#"{"duration":"-315576000000s"}"#, r#"{"duration":"-315576000000s"}"#),
        ("WellKnown", r#"{"duration":"0s"}"#, r#"{"duration":"0s"}"#),
        ("WellKnown", r#"{"fieldMask":"userName.firstPart,id"}"#, r#"{"fieldMask":"userName.firstPart,id"}"#),
        ("WellKnown", r#"{"fieldMask":""}"#, r#"{"fieldMask":""}"#),
        ("WellKnown", r#"{"struct":{"a":[1,"x",null,true,{}],"b":{"c":-0.5}}}"#, r#"{"struct":{"a":[1,"x",null,true,{}],"b":{"c":-0.5}}}"#),
        ("WellKnown", r#"{"struct":{}}"#, r#"{"struct":{}}"#),
        ("WellKnown", r#"{"listValue":[]}"#, r#"{"listValue":[]}"#),
        ("WellKnown", r#"{"listValue":[[],[[]]]}"#, r#"{"listValue":[[],[[]]]}"#),
        ("WellKnown", r#"{"value":{"a":1e300}}"#, r#"{"value":{"a":1e+300}}"#),
        ("WellKnown", r#"{"value":""}"#, r#"{"value":""}"#),
        ("WellKnown", r#"{"value":0}"#, r#"{"value":0}"#),
        ("WellKnown", r#"{"empty":{}}"#, r#"{"empty":{}}"#),
        ("WellKnown", r#"{"doubleWrapper":"NaN","floatWrapper":0.5}"#, r#"{"doubleWrapper":"NaN","floatWrapper":0.5}"#),
        ("WellKnown", r#"{"int64Wrapper":1,"uint64Wrapper":"2"}"#, r#"{"int64Wrapper":"1","uint64Wrapper":"2"}"#),
        ("WellKnown", r#"{"int32Wrapper":0,"uint32Wrapper":0,"boolWrapper":false,"stringWrapper":"","bytesWrapper":""}"#, r#"{"int32Wrapper":0,"uint32Wrapper":0,"boolWrapper":false,"stringWrapper":"","bytesWrapper":""}"#),
        ("WellKnown", r#"{"int64Wrappers":["0",1]}"#, r#"{"int64Wrappers":["0","1"]}"#),
        // At the top, too.
        ("google.protobuf.Timestamp", r#""1970-01-01T00:00:01Z""#, r#""1970-01-01T00:00:01Z""#),
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
        (r#"{"int32Wrapper":1}"#, wire().bytes(14, wire().varint(1, 1))),
        (r#"{"empty":{}}"#, wire().bytes(8, [])),
        (r#"{"value":null}"#, wire().bytes(6, wire().varint(1, 0))),
        (r#"{"value":[]}"#, wire().bytes(6, wire().bytes(6, []))),
        (r#"{"fieldMask":"aB,c"}"#, wire().bytes(4, wire().bytes(1, "a_b").bytes(1, "c"))),
        (r#"{"duration":"-1.5s"}"#, wire().bytes(3, wire().varint(1, -1_i64 as u64).varint(2, -500_000_000_i64 as u64))),
        (r#"{"timestamp":"1969-12-31T23:59:59.5Z"}"#, wire().bytes(2, wire().varint(1, -1_i64 as u64).varint(2, 500_000_000))),
        (r#"{"optionalNull":null}"#, wire().varint(25, 0)),
    ] {
        assert_eq!(read("WellKnown", json).unwrap(), expected.0, "{json}");
    }
}

#[test]
fn any() {
    check_round_trips(&[
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1,"child":{}}}"#, r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1,"child":{}}}"#),
        // The type may come last, and escaped.
        ("WellKnown", r#"{"any":{"id":1,"\u0040type":"type.googleapis.com/rules.Inner"}}"#, r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1}}"#),
        ("WellKnown", r#"{"any":{"@type":"x/rules.Inner"}}"#, r#"{"any":{"@type":"x/rules.Inner"}}"#),
        ("WellKnown", r#"{"any":{"value":"1.5s","@type":"type.googleapis.com/google.protobuf.Duration"}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":0}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":0}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"@type":1}}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"@type":1}}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/rules.Inner","id":1}}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/rules.Inner","id":1}}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/rules.WellKnown","anys":[{"@type":"type.googleapis.com/rules.Inner"}]}}"#, r#"{"any":{"@type":"type.googleapis.com/rules.WellKnown","anys":[{"@type":"type.googleapis.com/rules.Inner"}]}}"#),
        ("google.protobuf.Any", r#"{"@type":"type.googleapis.com/rules.Inner","id":2}"#, r#"{"@type":"type.googleapis.com/rules.Inner","id":2}"#),
        // Some implementations write Empty as a value, C++ as a plain message.
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}"#, r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#),
    ]);
    assert_eq!(write("WellKnown", &read("WellKnown", r#"{"any":{}}"#).unwrap()).unwrap(), r#"{"any":{}}"#);
}

#[test]
fn forms_that_are_refused() {
    check_refusals(&[
        ("WellKnown", r#"{"timestamp":"2024-01-01"}"#, "?"),
        ("WellKnown", r#"{"timestamp":"2024-01-01T00:00:00z"}"#, "?"),
        ("WellKnown", r#"{"timestamp":"0000-12-31T23:59:59Z"}"#, "?"),
        ("WellKnown", r#"{"timestamp":"9999-12-31T23:59:59-00:01"}"#, "?"),
        ("WellKnown", r#"{"timestamp":0}"#, "?"),
        ("WellKnown", r#"{"timestamp":{"seconds":0}}"#, "?"),
        ("WellKnown", r#"{"duration":"1"}"#, "?"),
        ("WellKnown", r#"{"duration":"315576000001s"}"#, "?"),
        ("WellKnown", r#"{"duration":1}"#, "?"),
        ("WellKnown", r#"{"fieldMask":"user_name"}"#, "?"),
        ("WellKnown", r#"{"fieldMask":"a,,b"}"#, "?"),
        ("WellKnown", r#"{"fieldMask":["a"]}"#, "?"),
        ("WellKnown", r#"{"struct":[]}"#, "?"),
        ("WellKnown", r#"{"listValue":{}}"#, "?"),
        ("WellKnown", r#"{"value":NaN}"#, "?"),
        ("WellKnown", r#"{"value":{"a":[1,1e999]}}"#, "?"),
        ("WellKnown", r#"{"empty":{"a":1}}"#, "?"),
        ("WellKnown", r#"{"empty":1}"#, "?"),
        ("WellKnown", r#"{"nullValue":"NULL"}"#, "?"),
        ("WellKnown", r#"{"int32Wrapper":{"value":1}}"#, "?"),
        ("WellKnown", r#"{"boolWrapper":"true"}"#, "?"),
        ("WellKnown", r#"{"int64Wrappers":[null]}"#, "?"),
        ("WellKnown", r#"{"any":{"id":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":""}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"rules.Inner"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"type.googleapis.com/rules.Nope"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/rules.Inner","@type":"x/rules.Inner"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/rules.Inner","id":1,"id":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/rules.Inner","child":{"id":"x"}}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/rules.Inner","nope":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/google.protobuf.Duration"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/google.protobuf.Duration","value":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/google.protobuf.Empty","value":1}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/google.protobuf.Empty","value":{"a":1}}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/legacy.Needy"}}"#, "?"),
        ("WellKnown", r#"{"any":{"@type":"x/rules.legacy.Needy"}}"#, "?"),
        ("WellKnown", r#"{"any":1}"#, "?"),
        ("google.protobuf.Int32Value", "null", "?"),
        ("google.protobuf.Struct", "null", "?"),
        ("google.protobuf.Any", "null", "?"),
    ]);
    let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    for json in [r#"{"@type":"x/rules.Inner","y":tru}"#, r#"{"y":"\ud800","@type":"x/rules.Inner"}"#] {
        assert!(read_with("google.protobuf.Any", json.as_bytes(), &options).is_err(), "{json}");
    }
}

#[test]
fn wire_that_json_cannot_say() {
    let nan = wire().fixed64(2, f64::NAN.to_bits());
    let infinity = wire().fixed64(2, f64::INFINITY.to_bits());
    for (name, bytes, expected) in [
        ("google.protobuf.Timestamp", wire().varint(1, 253_402_300_800), "?1"),
        ("google.protobuf.Timestamp", wire().varint(2, 1_000_000_000), "?2"),
        ("google.protobuf.Timestamp", wire().varint(2, -1_i64 as u64), "?3"),
        ("google.protobuf.Duration", wire().varint(1, 315_576_000_001), "?4"),
        ("google.protobuf.Duration", wire().varint(1, 1).varint(2, -1_i64 as u64), "?5"),
        ("google.protobuf.Value", wire(), "?6"),
        ("google.protobuf.Value", nan, "?7"),
        ("google.protobuf.ListValue", wire().bytes(1, infinity), "?8"),
        ("google.protobuf.FieldMask", wire().bytes(1, "aB"), "?9"),
        ("google.protobuf.FieldMask", wire().bytes(1, "a__b"), "?10"),
        ("google.protobuf.FieldMask", wire().bytes(1, "a_3"), "?11"),
        ("google.protobuf.FieldMask", wire().bytes(1, "a,b"), "?12"),
        ("google.protobuf.FieldMask", wire().bytes(1, "a").bytes(1, ""), "?13"),
        ("google.protobuf.FieldMask", wire().bytes(1, b"\xff"), "?14"),
        ("google.protobuf.Any", wire().bytes(1, "x/rules.Nope"), "?15"),
        ("google.protobuf.Any", wire().bytes(1, "rules.Inner"), "?16"),
        ("google.protobuf.Any", wire().bytes(2, "x"), "?17"),
        ("google.protobuf.Any", wire().bytes(1, b"\xff/rules.Inner"), "?18"),
        ("google.protobuf.Any", wire().bytes(1, "x/rules.Inner").bytes(2, b"\x08"), "?19"),
        ("google.protobuf.StringValue", wire().bytes(1, b"\xff"), "?20"),
    ] {
        let error = write(name, &bytes.0).unwrap_err().to_string();
        assert_eq!(error, expected, "{name} {:x?}", bytes.0);
    }
}
