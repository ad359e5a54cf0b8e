//! JSON that is taken, and how it comes back.

use crate::contract::{check_round_trips, read, read_with, wire, write};
use portolan_transcode::ReadOptions;

#[test]
fn field_names() {
    check_round_trips(&[
        ("Scalars", r#"{"int32Value":1}"#, r#"{"int32Value":1}"#),
        ("Scalars", r#"{"int32_value":1}"#, r#"{"int32Value":1}"#),
        (
            "Scalars",
            r#"{"\u0069nt32\u0056alue":1}"#,
            r#"{"int32Value":1}"#,
        ),
        (
            "Scalars",
            r#"{"@other name":"x"}"#,
            r#"{"@other name":"x"}"#,
        ),
        ("Scalars", r#"{"renamed":"x"}"#, r#"{"@other name":"x"}"#),
        (
            "Scalars",
            r#"{"fieldWithCapitals":"x"}"#,
            r#"{"fieldWithCapitals":"x"}"#,
        ),
        ("Scalars", r#"{"_leading":1}"#, r#"{"Leading":1}"#),
        ("Scalars", r#"{"Leading":1}"#, r#"{"Leading":1}"#),
        ("Scalars", r#"{"withTwo3":1}"#, r#"{"withTwo3":1}"#),
        ("Scalars", r#"{"with__two_3":1}"#, r#"{"withTwo3":1}"#),
        ("Scalars", r#"{"far":1}"#, r#"{"far":1}"#),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.extra]":3}"#,
            r#"{"[rules.legacy.extra]":3}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.Scope.scoped]":true}"#,
            r#"{"[rules.legacy.Scope.scoped]":true}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"part":{"a":1}}"#,
            r#"{"part":{"a":1}}"#,
        ),
    ]);
}

#[test]
fn null_is_absent() {
    for name in [
        "double_value",
        "int32_value",
        "uint64_value",
        "bool_value",
        "string_value",
        "bytes_value",
        "color",
        "inner",
    ] {
        assert_eq!(
            read("Scalars", &format!(r#"{{"{name}":null}}"#)).unwrap(),
            b"",
            "{name}"
        );
        assert_eq!(
            read("Optionals", &format!(r#"{{"{name}":null}}"#)).unwrap(),
            b"",
            "{name}"
        );
    }
    check_round_trips(&[
        ("Lists", r#"{"int32s":null,"inners":null}"#, "{}"),
        ("Maps", r#"{"inners":null}"#, "{}"),
        (
            "WellKnown",
            r#"{"any":null,"timestamp":null,"int32Wrapper":null,"struct":null,"listValue":null}"#,
            "{}",
        ),
        // For these two, null is a value.
        ("WellKnown", r#"{"value":null}"#, r#"{"value":null}"#),
        (
            "WellKnown",
            r#"{"values":[null,1]}"#,
            r#"{"values":[null,1]}"#,
        ),
        (
            "WellKnown",
            r#"{"nullValues":[null,"NULL_VALUE",0]}"#,
            r#"{"nullValues":[null,null,null]}"#,
        ),
        ("WellKnown", r#"{"nullValue":null}"#, "{}"),
        (
            "WellKnown",
            r#"{"optionalNull":null}"#,
            r#"{"optionalNull":null}"#,
        ),
        (
            "Maps",
            r#"{"values":{"a":null}}"#,
            r#"{"values":{"a":null}}"#,
        ),
        ("Choice", r#"{"nothing":null}"#, r#"{"nothing":null}"#),
        ("Choice", r#"{"anything":null}"#, r#"{"anything":null}"#),
        // One member is null, so the other may be set.
        ("Choice", r#"{"number":null,"text":"a"}"#, r#"{"text":"a"}"#),
        ("Choice", r#"{"text":"a","number":null}"#, r#"{"text":"a"}"#),
        (
            "Choice",
            r#"{"number":0,"left":0}"#,
            r#"{"number":0,"left":0}"#,
        ),
    ]);
}

#[test]
fn integers() {
    for (text, value) in [
        ("0", 0),
        ("-0", 0),
        ("1e5", 100_000),
        ("1E+2", 100),
        ("1.0", 1),
        ("1.50e1", 15),
        ("2147483647.0", i32::MAX),
        ("-2147483648", i32::MIN),
        ("\"7\"", 7),
        ("\"-7\"", -7),
        ("\"1e2\"", 100),
        ("\"\\u0031\"", 1),
    ] {
        for (name, number) in [("int32Value", 3), ("sint32Value", 7), ("sfixed32Value", 11)] {
            let found = read("Optionals", &format!(r#"{{"int32Value":{text}}}"#)).unwrap();
            assert_eq!(found, wire().varint(3, i64::from(value) as u64).0, "{text}");
            let found = read("Scalars", &format!(r#"{{"{name}":{text}}}"#)).unwrap();
            let zigzag = u64::from((value << 1 ^ value >> 31) as u32);
            let expected = match number {
                _ if value == 0 => wire(),
                3 => wire().varint(3, i64::from(value) as u64),
                7 => wire().varint(7, zigzag),
                _ => wire().fixed32(11, value as u32),
            };
            assert_eq!(found, expected.0, "{name} {text}");
        }
    }
    check_round_trips(&[
        (
            "Scalars",
            r#"{"int64Value":-9223372036854775808}"#,
            r#"{"int64Value":"-9223372036854775808"}"#,
        ),
        (
            "Scalars",
            r#"{"int64Value":9007199254740993.0}"#,
            r#"{"int64Value":"9007199254740993"}"#,
        ),
        (
            "Scalars",
            r#"{"int64Value":"9.223372036854775807e18"}"#,
            r#"{"int64Value":"9223372036854775807"}"#,
        ),
        (
            "Scalars",
            r#"{"uint64Value":18446744073709551615}"#,
            r#"{"uint64Value":"18446744073709551615"}"#,
        ),
        (
            "Scalars",
            r#"{"uint64Value":"18446744073709551615"}"#,
            r#"{"uint64Value":"18446744073709551615"}"#,
        ),
        (
            "Scalars",
            r#"{"sint64Value":"-9223372036854775808"}"#,
            r#"{"sint64Value":"-9223372036854775808"}"#,
        ),
        (
            "Scalars",
            r#"{"fixed64Value":"1"}"#,
            r#"{"fixed64Value":"1"}"#,
        ),
        (
            "Scalars",
            r#"{"sfixed64Value":-1}"#,
            r#"{"sfixed64Value":"-1"}"#,
        ),
        (
            "Scalars",
            r#"{"uint32Value":4294967295,"fixed32Value":"4294967295"}"#,
            r#"{"uint32Value":4294967295,"fixed32Value":4294967295}"#,
        ),
    ]);
}

#[test]
fn floats() {
    check_round_trips(&[
        ("Scalars", r#"{"doubleValue":1}"#, r#"{"doubleValue":1}"#),
        (
            "Scalars",
            r#"{"doubleValue":"1.25"}"#,
            r#"{"doubleValue":1.25}"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":0.1}"#,
            r#"{"doubleValue":0.1}"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"NaN","floatValue":"NaN"}"#,
            r#"{"doubleValue":"NaN","floatValue":"NaN"}"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"Infinity","floatValue":"-Infinity"}"#,
            r#"{"doubleValue":"Infinity","floatValue":"-Infinity"}"#,
        ),
        ("Scalars", r#"{"doubleValue":-0}"#, r#"{"doubleValue":-0}"#),
        ("Scalars", r#"{"floatValue":-0.0}"#, r#"{"floatValue":-0}"#),
        ("Scalars", r#"{"doubleValue":0,"floatValue":0.0e9}"#, "{}"),
        ("Scalars", r#"{"floatValue":0.1}"#, r#"{"floatValue":0.1}"#),
        // Between two floats: rounded once, not by way of a double.
        (
            "Scalars",
            r#"{"floatValue":1.00000005960464477540}"#,
            r#"{"floatValue":1.0000001}"#,
        ),
    ]);
    for (text, value) in [
        ("5e-324", 5e-324),
        ("1.7976931348623157e308", f64::MAX),
        ("1e-400", 0.0),
    ] {
        let found = read("Optionals", &format!(r#"{{"doubleValue":{text}}}"#)).unwrap();
        assert_eq!(found, wire().fixed64(1, value.to_bits()).0, "{text}");
    }
    for (text, value) in [
        ("1e-45", 1e-45_f32),
        ("3.4028235e38", f32::MAX),
        ("-3.4028235e38", f32::MIN),
    ] {
        let found = read("Optionals", &format!(r#"{{"floatValue":{text}}}"#)).unwrap();
        assert_eq!(found, wire().fixed32(2, value.to_bits()).0, "{text}");
    }
}

#[test]
fn enums() {
    check_round_trips(&[
        ("Scalars", r#"{"color":"RED"}"#, r#"{"color":"RED"}"#),
        ("Scalars", r#"{"color":2}"#, r#"{"color":"GREEN"}"#),
        ("Scalars", r#"{"color":-3}"#, r#"{"color":"BLUE"}"#),
        ("Scalars", r#"{"color":2.0}"#, r#"{"color":"GREEN"}"#),
        ("Scalars", r#"{"color":99}"#, r#"{"color":99}"#),
        ("Scalars", r#"{"color":"COLOR_UNSPECIFIED"}"#, "{}"),
        (
            "Optionals",
            r#"{"color":0}"#,
            r#"{"color":"COLOR_UNSPECIFIED"}"#,
        ),
        // Any alias in, the first out.
        ("Scalars", r#"{"shade":"DARK"}"#, r#"{"shade":"DARK"}"#),
        ("Scalars", r#"{"shade":"MURKY"}"#, r#"{"shade":"DARK"}"#),
        (
            "Lists",
            r#"{"colors":["RED",-3,77]}"#,
            r#"{"colors":["RED","BLUE",77]}"#,
        ),
        (
            "Lists",
            r#"{"unpackedColors":["RED",2]}"#,
            r#"{"unpackedColors":["RED","GREEN"]}"#,
        ),
        (
            "Maps",
            r#"{"colors":{"a":"RED"}}"#,
            r#"{"colors":{"a":"RED"}}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"closed":"TWO"}"#,
            r#"{"closed":"TWO"}"#,
        ),
        // A number outside a closed enum becomes an unknown field.
        (
            "legacy.Legacy",
            r#"{"closed":3,"manyClosed":[1,3]}"#,
            r#"{"manyClosed":["ONE"]}"#,
        ),
    ]);
}

#[test]
fn strings_and_bytes() {
    check_round_trips(&[
        (
            "Scalars",
            r#"{"stringValue":"\u0001\"\\\/\b\f\n\r\té€😀"}"#,
            r#"{"stringValue":"\u0001\"\\/\b\f\n\r\té€😀"}"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\ud83d\ude00 \u00e9"}"#,
            r#"{"stringValue":"😀 é"}"#,
        ),
        (
            "Scalars",
            "{\"stringValue\":\"\u{7f}\u{2028}\"}",
            "{\"stringValue\":\"\u{7f}\u{2028}\"}",
        ),
        (
            "Scalars",
            r#"{"stringValue":"\u0000"}"#,
            r#"{"stringValue":"\u0000"}"#,
        ),
        ("Scalars", r#"{"stringValue":""}"#, "{}"),
        (
            "Optionals",
            r#"{"stringValue":"","bytesValue":""}"#,
            r#"{"stringValue":"","bytesValue":""}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"AQI="}"#,
            r#"{"bytesValue":"AQI="}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"AQI"}"#,
            r#"{"bytesValue":"AQI="}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"-_8="}"#,
            r#"{"bytesValue":"+/8="}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"-_8"}"#,
            r#"{"bytesValue":"+/8="}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"+\/8="}"#,
            r#"{"bytesValue":"+/8="}"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"AA=="}"#,
            r#"{"bytesValue":"AA=="}"#,
        ),
    ]);
}

#[test]
fn lists_are_packed_as_the_contract_says() {
    assert_eq!(
        read("Lists", r#"{"int32s":[1,-1]}"#).unwrap(),
        b"\x1a\x0b\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
    );
    assert_eq!(
        read("Lists", r#"{"unpackedInt32s":[1,2]}"#).unwrap(),
        wire().varint(19, 1).varint(19, 2).0
    );
    assert_eq!(
        read("legacy.Legacy", r#"{"unpacked":[1,2]}"#).unwrap(),
        wire().varint(7, 1).varint(7, 2).0
    );
    assert_eq!(
        read("legacy.Legacy", r#"{"packed":[1,2]}"#).unwrap(),
        wire().bytes(8, [1, 2]).0
    );
    assert_eq!(
        read("plain.Plain", r#"{"numbers":[1,2],"zero":0}"#).unwrap(),
        wire().varint(2, 1).varint(2, 2).varint(1, 0).0
    );
    assert_eq!(read("Lists", r#"{"int32s":[],"strings":[]}"#).unwrap(), b"");
    check_round_trips(&[
        (
            "Lists",
            r#"{"strings":["","a"],"blobs":["","AA=="]}"#,
            r#"{"strings":["","a"],"blobs":["","AA=="]}"#,
        ),
        (
            "Lists",
            r#"{"inners":[{},{"id":1}]}"#,
            r#"{"inners":[{},{"id":1}]}"#,
        ),
        // The wire keeps the order of the JSON.
        (
            "Lists",
            r#"{"bools":[true,false],"doubles":[0,"NaN"]}"#,
            r#"{"bools":[true,false],"doubles":[0,"NaN"]}"#,
        ),
    ]);
}

#[test]
fn maps() {
    check_round_trips(&[
        (
            "Maps",
            r#"{"int32Keys":{"-1":1,"0":0}}"#,
            r#"{"int32Keys":{"-1":1,"0":0}}"#,
        ),
        (
            "Maps",
            r#"{"int64Keys":{"-9223372036854775808":"a"}}"#,
            r#"{"int64Keys":{"-9223372036854775808":"a"}}"#,
        ),
        (
            "Maps",
            r#"{"uint32Keys":{"4294967295":"AA=="}}"#,
            r#"{"uint32Keys":{"4294967295":"AA=="}}"#,
        ),
        (
            "Maps",
            r#"{"uint64Keys":{"18446744073709551615":1.5}}"#,
            r#"{"uint64Keys":{"18446744073709551615":1.5}}"#,
        ),
        (
            "Maps",
            r#"{"sint32Keys":{"-5":1}}"#,
            r#"{"sint32Keys":{"-5":1}}"#,
        ),
        (
            "Maps",
            r#"{"sint64Keys":{"-5":false}}"#,
            r#"{"sint64Keys":{"-5":false}}"#,
        ),
        (
            "Maps",
            r#"{"fixed32Keys":{"7":"8"}}"#,
            r#"{"fixed32Keys":{"7":"8"}}"#,
        ),
        (
            "Maps",
            r#"{"fixed64Keys":{"7":8}}"#,
            r#"{"fixed64Keys":{"7":"8"}}"#,
        ),
        (
            "Maps",
            r#"{"sfixed32Keys":{"-7":-8}}"#,
            r#"{"sfixed32Keys":{"-7":-8}}"#,
        ),
        (
            "Maps",
            r#"{"sfixed64Keys":{"-7":8}}"#,
            r#"{"sfixed64Keys":{"-7":"8"}}"#,
        ),
        (
            "Maps",
            r#"{"boolKeys":{"true":"a","false":"b"}}"#,
            r#"{"boolKeys":{"true":"a","false":"b"}}"#,
        ),
        (
            "Maps",
            r#"{"int32Keys":{"\u0031":2}}"#,
            r#"{"int32Keys":{"1":2}}"#,
        ),
        (
            "Maps",
            r#"{"strings":{"":"","\"\n":"\\"}}"#,
            r#"{"strings":{"":"","\"\n":"\\"}}"#,
        ),
        (
            "Maps",
            r#"{"inners":{"a":{},"b":{"id":1}}}"#,
            r#"{"inners":{"a":{},"b":{"id":1}}}"#,
        ),
        (
            "Maps",
            r#"{"wrapped":{"a":0,"b":1}}"#,
            r#"{"wrapped":{"a":0,"b":1}}"#,
        ),
        ("Maps", r#"{"inners":{}}"#, "{}"),
        (
            "Maps",
            r#"{"times":{"t":"1970-01-01T00:00:01Z"}}"#,
            r#"{"times":{"t":"1970-01-01T00:00:01Z"}}"#,
        ),
    ]);
}

#[test]
fn groups_and_proto2() {
    assert_eq!(
        read("legacy.Legacy", r#"{"part":{"a":1},"parts":[{},{"a":2}]}"#).unwrap(),
        wire()
            .group(9, wire().varint(1, 1))
            .group(10, wire())
            .group(10, wire().varint(1, 2))
            .0
    );
    check_round_trips(&[
        (
            "legacy.Legacy",
            r#"{"number":0,"text":""}"#,
            r#"{"number":0,"text":""}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"part":{"b":"x","deeper":{"part":{}}}}"#,
            r#"{"part":{"b":"x","deeper":{"part":{}}}}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.extras]":["a","b"]}"#,
            r#"{"[rules.legacy.extras]":["a","b"]}"#,
        ),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.nested]":{"number":1}}"#,
            r#"{"[rules.legacy.nested]":{"number":1}}"#,
        ),
        (
            "legacy.Needy",
            r#"{"must":0,"inner":{"must":1}}"#,
            r#"{"must":0,"inner":{"must":1}}"#,
        ),
    ]);
}

#[test]
fn white_space_is_free() {
    check_round_trips(&[(
        "Scalars",
        " \t\r\n{ \"int32Value\" : 1 , \"color\":\n\"RED\" } \n",
        r#"{"int32Value":1,"color":"RED"}"#,
    )]);
}

#[test]
fn unknown_things_are_ignored_on_request() {
    let options = ReadOptions {
        ignore_unknown: true,
        ..ReadOptions::default()
    };
    for (name, json, expected) in [
        (
            "Scalars",
            r#"{"nope":{"a":[1,{"b":null}],"c":"\u00e9"},"int32Value":1,"no":1e5}"#,
            r#"{"int32Value":1}"#,
        ),
        (
            "Scalars",
            r#"{"color":"MAUVE","int32Value":1}"#,
            r#"{"int32Value":1}"#,
        ),
        ("Optionals", r#"{"color":"MAUVE"}"#, "{}"),
        (
            "Lists",
            r#"{"colors":["RED","MAUVE","GREEN"]}"#,
            r#"{"colors":["RED","GREEN"]}"#,
        ),
        ("Lists", r#"{"colors":["MAUVE"]}"#, "{}"),
        (
            "Lists",
            r#"{"unpackedColors":["MAUVE","RED"]}"#,
            r#"{"unpackedColors":["RED"]}"#,
        ),
        (
            "Maps",
            r#"{"colors":{"a":"MAUVE","b":"RED"}}"#,
            r#"{"colors":{"b":"RED"}}"#,
        ),
        ("Choice", r#"{"color":"MAUVE"}"#, "{}"),
        (
            "WellKnown",
            r#"{"any":{"x":1,"@type":"type.googleapis.com/rules.Inner","id":1}}"#,
            r#"{"any":{"@type":"type.googleapis.com/rules.Inner","id":1}}"#,
        ),
    ] {
        let found = read_with(name, json.as_bytes(), &options).unwrap();
        assert_eq!(write(name, &found).unwrap(), expected, "{json}");
    }
    // What is ignored must be JSON still.
    for json in [
        &br#"{"nope":tru}"#[..],
        br#"{"nope":"\x"}"#,
        br#"{"nope":"\ud800"}"#,
        br#"{"nope":01}"#,
        br#"{"nope":[1,]}"#,
        br#"{"nope":{"a":1,}}"#,
        br#"{"nope":{"a"}}"#,
        br#"{"nope":NaN}"#,
        br#"{"nope":Infinity}"#,
        b"{\"nope\":\"\n\"}",
        b"{\"nope\":\"\xff\"}",
        b"{\"nope\":{\"\xff\":1}}",
        b"{\"nope\":[\"\xed\xa0\x80\"]}",
    ] {
        assert!(
            read_with("Scalars", json, &options).is_err(),
            "{}",
            String::from_utf8_lossy(json)
        );
    }
}
