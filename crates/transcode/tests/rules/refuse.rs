//! JSON that is not taken, and the sentence that says why.

use crate::contract::{check_refusals, read_with};
use portolan_transcode::ReadOptions;

#[test]
fn names() {
    check_refusals(&[
        (
            "Scalars",
            r#"{"nope":1}"#,
            r#"$: unknown field `nope` in rules.Scalars at byte 8"#,
        ),
        (
            "Scalars",
            r#"{"inner":{"child":{"nope":1}}}"#,
            r#"$.inner.child: unknown field `nope` in rules.Inner at byte 26"#,
        ),
        (
            "Scalars",
            r#"{"Int32Value":1}"#,
            r#"$: unknown field `Int32Value` in rules.Scalars at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1,"int32Value":1}"#,
            r#"$.int32Value: `int32Value` is there twice at byte 29"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1,"int32_value":1}"#,
            r#"$.int32Value: `int32Value` is there twice at byte 30"#,
        ),
        (
            "Scalars",
            r#"{"inner":{},"inner":{}}"#,
            r#"$.inner: `inner` is there twice at byte 20"#,
        ),
        (
            "Maps",
            r#"{"strings":{"a":"1","b":"2","a":"3"}}"#,
            r#"$.strings: `a` is there twice at byte 36"#,
        ),
        (
            "Maps",
            r#"{"int32Keys":{"1":1,"\u0031":2}}"#,
            r#"$.int32Keys: `1` is there twice at byte 31"#,
        ),
        (
            "Maps",
            r#"{"sfixed64Keys":{"-1":1,"-1":2}}"#,
            r#"$.sfixed64Keys: `-1` is there twice at byte 31"#,
        ),
        (
            "Maps",
            r#"{"fixed32Keys":{"4294967295":1,"4294967295":2}}"#,
            r#"$.fixed32Keys: `4294967295` is there twice at byte 46"#,
        ),
        (
            "Maps",
            r#"{"boolKeys":{"true":"","true":""}}"#,
            r#"$.boolKeys: `true` is there twice at byte 33"#,
        ),
        (
            "WellKnown",
            r#"{"struct":{"a":1,"a":2}}"#,
            r#"$.struct: `a` is there twice at byte 23"#,
        ),
        (
            "Choice",
            r#"{"number":1,"text":"a"}"#,
            r#"$.text: `text` cannot be set beside another member of the oneof `choice` at byte 19"#,
        ),
        (
            "Choice",
            r#"{"nothing":null,"text":"a"}"#,
            r#"$.text: `text` cannot be set beside another member of the oneof `choice` at byte 23"#,
        ),
        (
            "Choice",
            r#"{"number":1,"anything":null}"#,
            r#"$.anything: `anything` cannot be set beside another member of the oneof `choice` at byte 23"#,
        ),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.nope]":1}"#,
            r#"$: unknown field `[rules.legacy.nope]` in rules.legacy.Legacy at byte 23"#,
        ),
        (
            "legacy.Legacy",
            r#"{"extra":1}"#,
            r#"$: unknown field `extra` in rules.legacy.Legacy at byte 9"#,
        ),
        (
            "legacy.Needy",
            r#"{}"#,
            r#"$: required field `must` is missing at byte 2"#,
        ),
        (
            "legacy.Needy",
            r#"{"must":null}"#,
            r#"$.must: required field `must` is missing at byte 8"#,
        ),
        (
            "legacy.Needy",
            r#"{"must":1,"list":[{"must":1},{}]}"#,
            r#"$.list[1]: required field `must` is missing at byte 31"#,
        ),
    ]);
}

#[test]
fn types() {
    check_refusals(&[
        (
            "Scalars",
            "null",
            r#"$: expected an object, found null at byte 0"#,
        ),
        (
            "Scalars",
            "[]",
            r#"$: expected an object, found an array at byte 0"#,
        ),
        (
            "Scalars",
            "1",
            r#"$: expected an object, found a number at byte 0"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":1}"#,
            r#"$.stringValue: expected a string, found a number at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":true}"#,
            r#"$.stringValue: expected a string, found a boolean at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":[]}"#,
            r#"$.bytesValue: expected a base64 string, found an array at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"boolValue":"true"}"#,
            r#"$.boolValue: expected true or false, found a string at byte 13"#,
        ),
        (
            "Scalars",
            r#"{"boolValue":0}"#,
            r#"$.boolValue: expected true or false, found a number at byte 13"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":true}"#,
            r#"$.int32Value: expected an integer, found a boolean at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":{}}"#,
            r#"$.int32Value: expected an integer, found an object at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":false}"#,
            r#"$.doubleValue: expected a number, found a boolean at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"color":true}"#,
            r#"$.color: expected an enum name or number, found a boolean at byte 9"#,
        ),
        (
            "Scalars",
            r#"{"color":[]}"#,
            r#"$.color: expected an enum name or number, found an array at byte 9"#,
        ),
        (
            "Scalars",
            r#"{"inner":"x"}"#,
            r#"$.inner: expected an object, found a string at byte 9"#,
        ),
        (
            "Lists",
            r#"{"int32s":1}"#,
            r#"$.int32s: expected an array, found a number at byte 10"#,
        ),
        (
            "Lists",
            r#"{"int32s":{}}"#,
            r#"$.int32s: expected an array, found an object at byte 10"#,
        ),
        (
            "Lists",
            r#"{"int32s":[1,"x"]}"#,
            r#"$.int32s[1]: "x" is not a 32-bit integer at byte 13"#,
        ),
        (
            "Lists",
            r#"{"int32s":[1,null]}"#,
            r#"$.int32s[1]: expected a value, found null at byte 13"#,
        ),
        (
            "Lists",
            r#"{"strings":["a",1]}"#,
            r#"$.strings[1]: expected a string, found a number at byte 16"#,
        ),
        (
            "Lists",
            r#"{"inners":[{},{"name":1}]}"#,
            r#"$.inners[1].name: expected a string, found a number at byte 22"#,
        ),
        (
            "Lists",
            r#"{"inners":[null]}"#,
            r#"$.inners[0]: expected a value, found null at byte 11"#,
        ),
        (
            "Maps",
            r#"{"strings":[]}"#,
            r#"$.strings: expected an object, found an array at byte 11"#,
        ),
        (
            "Maps",
            r#"{"strings":{"a":null}}"#,
            r#"$.strings["a"]: expected a value, found null at byte 16"#,
        ),
        (
            "Maps",
            r#"{"inners":{"a \"b\"":{"id":"x"}}}"#,
            r#"$.inners["a \"b\""].id: "x" is not a 32-bit integer at byte 27"#,
        ),
        (
            "Maps",
            r#"{"int32Keys":{"x":1}}"#,
            r#"$.int32Keys: "x" is not a key of this map at byte 14"#,
        ),
        (
            "Maps",
            r#"{"int32Keys":{"2147483648":1}}"#,
            r#"$.int32Keys: "2147483648" is not a key of this map at byte 14"#,
        ),
        (
            "Maps",
            r#"{"boolKeys":{"True":""}}"#,
            r#"$.boolKeys: "True" is not a key of this map at byte 13"#,
        ),
        (
            "Maps",
            r#"{"int32Keys":{1:1}}"#,
            r#"$.int32Keys: key must be a string at byte 14"#,
        ),
        (
            "legacy.Legacy",
            r#"{"[rules.legacy.nested]":{"number":"x"}}"#,
            r#"$[rules.legacy.nested].number: "x" is not a 32-bit integer at byte 35"#,
        ),
    ]);
}

#[test]
fn numbers() {
    check_refusals(&[
        (
            "Scalars",
            r#"{"int32Value":1.5}"#,
            r#"$.int32Value: "1.5" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":2147483648}"#,
            r#"$.int32Value: "2147483648" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":-2147483649}"#,
            r#"$.int32Value: "-2147483649" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1e400}"#,
            r#"$.int32Value: "1e400" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":+1}"#,
            r#"$.int32Value: expected an integer, found no JSON value at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":01}"#,
            r#"$.int32Value: invalid number at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":-01}"#,
            r#"$.int32Value: invalid number at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":-}"#,
            r#"$.int32Value: invalid number at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1.}"#,
            r#"$.int32Value: invalid number at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":.5}"#,
            r#"$.int32Value: expected an integer, found no JSON value at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":0x10}"#,
            r#"$: expected `,` or `}` at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":"+1"}"#,
            r#"$.int32Value: "+1" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":"01"}"#,
            r#"$.int32Value: "01" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":" 1"}"#,
            r#"$.int32Value: " 1" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":"1 "}"#,
            r#"$.int32Value: "1 " is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":""}"#,
            r#"$.int32Value: "" is not a 32-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"uint32Value":-1}"#,
            r#"$.uint32Value: "-1" is not an unsigned 32-bit integer at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"uint32Value":4294967296}"#,
            r#"$.uint32Value: "4294967296" is not an unsigned 32-bit integer at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"int64Value":9223372036854775808}"#,
            r#"$.int64Value: "9223372036854775808" is not a 64-bit integer at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"uint64Value":18446744073709551616}"#,
            r#"$.uint64Value: "18446744073709551616" is not an unsigned 64-bit integer at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"uint64Value":"-1"}"#,
            r#"$.uint64Value: "-1" is not an unsigned 64-bit integer at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"sint32Value":2147483648}"#,
            r#"$.sint32Value: "2147483648" is not a 32-bit integer at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"fixed32Value":-1}"#,
            r#"$.fixed32Value: "-1" is not an unsigned 32-bit integer at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"sfixed64Value":9223372036854775808}"#,
            r#"$.sfixed64Value: "9223372036854775808" is not a 64-bit integer at byte 17"#,
        ),
        (
            "Scalars",
            r#"{"floatValue":3.5e38}"#,
            r#"$.floatValue: "3.5e38" is not a float at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":1.9e308}"#,
            r#"$.doubleValue: "1.9e308" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":NaN}"#,
            r#"$.doubleValue: expected a number, found no JSON value at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":Infinity}"#,
            r#"$.doubleValue: expected a number, found no JSON value at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":-Infinity}"#,
            r#"$.doubleValue: invalid number at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"inf"}"#,
            r#"$.doubleValue: "inf" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"nan"}"#,
            r#"$.doubleValue: "nan" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"+Infinity"}"#,
            r#"$.doubleValue: "+Infinity" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"1 "}"#,
            r#"$.doubleValue: "1 " is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":""}"#,
            r#"$.doubleValue: "" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"doubleValue":"1_0"}"#,
            r#"$.doubleValue: "1_0" is not a double at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"boolValue":TRUE}"#,
            r#"$.boolValue: expected true or false, found no JSON value at byte 13"#,
        ),
        (
            "Scalars",
            r#"{"color":"red"}"#,
            r#"$.color: "red" is not a value of the enum at byte 9"#,
        ),
        (
            "Scalars",
            r#"{"color":"1"}"#,
            r#"$.color: "1" is not a value of the enum at byte 9"#,
        ),
        (
            "Scalars",
            r#"{"color":1.5}"#,
            r#"$.color: "1.5" is not an enum number at byte 9"#,
        ),
        (
            "Scalars",
            r#"{"color":2147483648}"#,
            r#"$.color: "2147483648" is not an enum number at byte 9"#,
        ),
    ]);
}

#[test]
fn strings() {
    check_refusals(&[
        (
            "Scalars",
            r#"{"stringValue":"\ud800"}"#,
            r#"$.stringValue: lone leading surrogate in hex escape at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\udc00\ud800"}"#,
            r#"$.stringValue: lone trailing surrogate in hex escape at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\ud800\ud800"}"#,
            r#"$.stringValue: lone leading surrogate in hex escape at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\ud800x"}"#,
            r#"$.stringValue: lone leading surrogate in hex escape at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\x"}"#,
            r#"$.stringValue: invalid escape at byte 17"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"\u12g4"}"#,
            r#"$.stringValue: invalid escape at byte 20"#,
        ),
        (
            "Scalars",
            "{\"stringValue\":\"\n\"}",
            r#"$.stringValue: control character (\u0000-\u001F) found while parsing a string at byte 16"#,
        ),
        (
            "Scalars",
            "{\"stringValue\":\"\u{1}\"}",
            r#"$.stringValue: control character (\u0000-\u001F) found while parsing a string at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":'x'}"#,
            r#"$.stringValue: expected a string, found no JSON value at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"a"}"#,
            r#"$.bytesValue: "a" is not base64 at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"!!!!"}"#,
            r#"$.bytesValue: "!!!!" is not base64 at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"A=Q="}"#,
            r#"$.bytesValue: "A=Q=" is not base64 at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"AQ I="}"#,
            r#"$.bytesValue: "AQ I=" is not base64 at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"+_8="}"#,
            r#"$.bytesValue: "+_8=" is not base64 at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"bytesValue":"this text is not base64, and it is far too long to be shown"}"#,
            r#"$.bytesValue: "this text is not base64, and it is far t"… is not base64 at byte 14"#,
        ),
    ]);
    for bytes in [
        &b"\xff"[..],
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\xe2\x82",
    ] {
        let json = [b"{\"stringValue\":\"", bytes, b"\"}"].concat();
        assert!(
            read_with("Scalars", &json, &ReadOptions::default()).is_err(),
            "{bytes:x?}"
        );
        let json = [b"{\"", bytes, b"\":1}"].concat();
        assert!(
            read_with("Scalars", &json, &ReadOptions::default()).is_err(),
            "{bytes:x?}"
        );
    }
}

#[test]
fn syntax() {
    check_refusals(&[
        (
            "Scalars",
            "",
            r#"$: the JSON ends inside a value at byte 0"#,
        ),
        (
            "Scalars",
            " ",
            r#"$: the JSON ends inside a value at byte 1"#,
        ),
        (
            "Scalars",
            "{",
            r#"$: the JSON ends inside an object at byte 1"#,
        ),
        (
            "Scalars",
            r#"{"int32Value"#,
            r#"$: the JSON ends inside a string at byte 12"#,
        ),
        (
            "Scalars",
            r#"{"int32Value""#,
            r#"$: the JSON ends inside an object at byte 13"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":"#,
            r#"$.int32Value: the JSON ends inside a value at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1"#,
            r#"$: the JSON ends inside an object at byte 15"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1,"#,
            r#"$: the JSON ends inside an object at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1,}"#,
            r#"$: trailing comma at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"int32Value" 1}"#,
            r#"$: expected `:` at byte 14"#,
        ),
        (
            "Scalars",
            r#"{"int32Value":1 "color":1}"#,
            r#"$: expected `,` or `}` at byte 16"#,
        ),
        (
            "Scalars",
            r#"{int32Value:1}"#,
            r#"$: key must be a string at byte 1"#,
        ),
        ("Scalars", r#"{,}"#, r#"$: key must be a string at byte 1"#),
        (
            "Scalars",
            r#"{"boolValue":tru}"#,
            r#"$.boolValue: expected true, false or null at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"boolValue":nul}"#,
            r#"$.boolValue: expected true, false or null at byte 16"#,
        ),
        (
            "Scalars",
            r#"{"stringValue":"abc"#,
            r#"$.stringValue: the JSON ends inside a string at byte 19"#,
        ),
        (
            "Lists",
            r#"{"int32s":[1,]}"#,
            r#"$.int32s[1]: trailing comma at byte 13"#,
        ),
        (
            "Lists",
            r#"{"int32s":[,1]}"#,
            r#"$.int32s[0]: expected an integer, found no JSON value at byte 11"#,
        ),
        (
            "Lists",
            r#"{"int32s":[1"#,
            r#"$.int32s: the JSON ends inside a list at byte 12"#,
        ),
        (
            "Lists",
            r#"{"int32s":[1 2]}"#,
            r#"$.int32s: expected `,` or `]` at byte 13"#,
        ),
        ("Scalars", "{} x", r#"$: trailing characters at byte 3"#),
        ("Scalars", "{}{}", r#"$: trailing characters at byte 2"#),
        ("Scalars", "{} // no", r#"$: trailing characters at byte 3"#),
        (
            "Scalars",
            "/* no */{}",
            r#"$: expected an object, found no JSON value at byte 0"#,
        ),
        (
            "Scalars",
            "\u{feff}{}",
            r#"$: expected an object, found no JSON value at byte 0"#,
        ),
    ]);
}

#[test]
fn what_a_client_wrote_is_not_told_back_at_length() {
    let long = "k".repeat(4_000_000);
    let cut = format!("{}…", "k".repeat(40));
    let two_bytes = "é".repeat(1_000);
    for (name, json, expected) in [
        (
            "Scalars",
            format!(r#"{{"{long}":1}}"#),
            format!("$: unknown field `{cut}` in rules.Scalars"),
        ),
        (
            "Scalars",
            format!(r#"{{"{two_bytes}":1}}"#),
            format!("$: unknown field `{}…` in rules.Scalars", "é".repeat(40)),
        ),
        (
            "Maps",
            format!(r#"{{"strings":{{"{long}":"a","{long}":"b"}}}}"#),
            format!("$.strings: `{cut}` is there twice"),
        ),
        (
            "Maps",
            format!(r#"{{"strings":{{"{long}":1}}}}"#),
            format!(r#"$.strings["{cut}"]: expected a string, found a number"#),
        ),
        (
            "WellKnown",
            format!(r#"{{"struct":{{"{long}":1,"{long}":1}}}}"#),
            format!("$.struct: `{cut}` is there twice"),
        ),
        (
            "WellKnown",
            format!(r#"{{"any":{{"@type":"a.b/{long}"}}}}"#),
            format!(
                "$.any: the contracts do not define the type `a.b/{}…`",
                "k".repeat(196)
            ),
        ),
        // As JSON writes it, not Rust.
        (
            "Maps",
            r#"{"strings":{"a\"\u001b'":1}}"#.to_owned(),
            r#"$.strings["a\"\u001b'"]: expected a string, found a number"#.to_owned(),
        ),
        (
            "Scalars",
            r#"{"int32Value":"\u001b"}"#.to_owned(),
            r#"$.int32Value: "\u001b" is not a 32-bit integer"#.to_owned(),
        ),
    ] {
        let found = crate::contract::refusal(name, &json);
        let text = found.split(" at byte ").next().unwrap_or_default();
        assert_eq!(text, expected);
    }
}
